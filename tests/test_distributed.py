"""Collectives on two processes and on one, and samples that do not depend on how many there are."""

import pytest
import torch

from data import Digits
from ldm import distributed
from ldm.config.compose import compose
from ldm.run.parts import Parts, build_prior, build_sampler, build_tokenizer
from ldm.samplers import Guidance
from sample import sample


def test_alone_there_is_one_process_and_everything_is_its_own():
    assert (distributed.rank(), distributed.world()) == (0, 1)
    distributed.join()
    distributed.barrier()
    assert distributed.world() == 1
    x = torch.arange(3)
    assert torch.equal(distributed.interleave(x, 3), x)
    assert torch.equal(distributed.mean(x), x)
    assert distributed.anywhere(True)
    assert not distributed.anywhere(False)


def test_what_is_averaged_over_processes_stays_as_it_was(two_processes):
    def work(rank):
        distributed.join()
        own = torch.tensor([1.0, 4.0]) * rank
        distributed.mean(own)
        return own

    assert [own.tolist() for own in two_processes(work)] == [[0.0, 0.0], [1.0, 4.0]]


def test_two_processes_agree_and_put_their_parts_together(two_processes):
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
    """An experiment whose weights are random: nothing is near zero, nothing is smooth."""
    config = compose(tiny)
    torch.manual_seed(0)
    tokenizer = build_tokenizer(config).eval()
    prior = build_prior(config, tokenizer).eval()
    with torch.no_grad():
        for parameter in prior.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    guidance = Guidance(2.0)
    return Parts(config, Digits(), tokenizer, prior, build_sampler(config), guidance)


@pytest.mark.parametrize("n", [1, 7])
def test_two_processes_draw_the_samples_that_one_draws(parts, two_processes, n):
    def work(rank):
        distributed.join()
        return sample(parts, n, seed=3, batch_size=2)

    one = sample(parts, n, seed=3, batch_size=4)
    assert len(one["x"]) == n
    assert one["x"].float().std() > 20  # not all alike
    for two in two_processes(work):
        assert two["label"].tolist() == one["label"].tolist()
        difference = (two["x"].int() - one["x"].int()).abs().max()
        assert difference <= 1  # batches of another size round differently
