"""Collectives on one and two processes, and samples independent of the number of processes."""

import pytest
import torch

from data import Digits
from ldm import distributed
from ldm.config.compose import compose
from ldm.run.parts import Parts, build_prior, build_sampler, build_tokenizer
from ldm.samplers import Guidance
from sample import sample


def test_collectives_of_a_single_process_return_their_inputs():
    assert (distributed.rank(), distributed.world()) == (0, 1)
    distributed.join()
    distributed.barrier()
    assert distributed.world() == 1
    x = torch.arange(3)
    assert torch.equal(distributed.interleave(x, 3), x)
    assert torch.equal(distributed.mean(x), x)
    assert distributed.anywhere(True)
    assert not distributed.anywhere(False)


def test_collectives_of_two_processes_agree(two_processes):
    def work(rank):
        distributed.join()
        assert (distributed.rank(), distributed.world()) == (rank, 2)
        rows = torch.arange(14).view(7, 2)
        wholes = [distributed.interleave(rows[:n][rank::2], n) for n in (7, 6, 1)]
        return (
            wholes,
            distributed.mean(torch.tensor([1.0, 4.0]) * rank),
            distributed.anywhere(rank == 1),
            distributed.anywhere(False),
        )

    for wholes, mean, somewhere, nowhere in two_processes(work):
        for n, whole in zip((7, 6, 1), wholes, strict=True):
            assert torch.equal(whole, torch.arange(14).view(7, 2)[:n])
        assert mean.tolist() == [0.5, 2.0]
        assert somewhere
        assert not nowhere


@pytest.fixture
def parts(tiny) -> Parts:
    """An experiment with random weights, so that no output is constant."""
    config = compose(tiny)
    torch.manual_seed(0)
    tokenizer = build_tokenizer(config).eval()
    prior = build_prior(config, tokenizer).eval()
    with torch.no_grad():
        for parameter in prior.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    guidance = Guidance(2.0)
    return Parts(config, Digits(), tokenizer, prior, build_sampler(config), guidance)


def test_two_processes_draw_the_same_samples_as_one(parts, two_processes):
    def work(rank):
        distributed.join()
        return list(sample(parts, 7, seed=3, batch_size=2))

    one, labels = sample(parts, 7, seed=3, batch_size=4)
    assert one.float().std() > 20  # the samples differ
    for two, their_labels in two_processes(work):
        assert their_labels.tolist() == labels.tolist()
        assert (two.int() - one.int()).abs().max() <= 1  # rounding depends on the batch size
