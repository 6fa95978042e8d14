"""Collectives on one and two processes, and samples independent of the number of processes."""

import pytest
import torch

from data import Digits
from ldm import distributed
from ldm.cli import explained
from ldm.config.compose import compose
from ldm.run import sampling
from ldm.run.models import build_models
from ldm.run.parts import Parts
from ldm.samplers import Unsolved
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


def test_what_is_averaged_over_processes_stays_as_it_was(two_processes):
    def work(rank):
        distributed.join()
        own = torch.tensor([1.0, 4.0]) * rank
        distributed.mean(own)
        return own

    assert [own.tolist() for own in two_processes(work)] == [[0.0, 0.0], [1.0, 4.0]]


def test_collectives_of_two_processes_agree(two_processes):
    def work(rank):
        distributed.join()
        assert (distributed.rank(), distributed.world()) == (rank, 2)
        rows = torch.arange(14).view(7, 2)
        wholes = [distributed.interleave(rows[:n][rank::2], n) for n in (7, 6, 1)]
        return (
            wholes,
            distributed.mean(torch.tensor([1.0, 4.0]) * rank),
            distributed.largest(rank + 3),
            distributed.anywhere(rank == 1),
            distributed.anywhere(False),
        )

    for wholes, mean, most, somewhere, nowhere in two_processes(work):
        for n, whole in zip((7, 6, 1), wholes, strict=True):
            assert torch.equal(whole, torch.arange(14).view(7, 2)[:n])
        assert mean.tolist() == [0.5, 2.0]
        assert most == 4
        assert somewhere
        assert not nowhere


def test_a_process_whose_partner_has_ended_ends_in_words(two_processes):
    def work(rank):
        distributed.join()
        distributed.barrier()
        if rank == 1:
            torch.distributed.destroy_process_group()  # closes what the system closes of the dead
            return None
        with pytest.raises(RuntimeError) as error:
            distributed.largest(1)
        return explained(error.value)

    (message, code), _ = two_processes(work)
    assert message.startswith("another process of this job has ended")
    assert code == 1


@pytest.fixture
def parts(tiny) -> Parts:
    """An experiment with random weights, so that no output is constant."""
    config = compose([*tiny, "guidance.scale=2"])
    models = build_models(config, Digits(), ["prior"])
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in models["prior"].parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return Parts(config, Digits(), {name: model.eval() for name, model in models.items()})


def test_two_processes_draw_the_same_samples_as_one(parts, two_processes):
    def work(rank):
        distributed.join()
        return sample(parts, 7, seed=3, batch_size=2)

    alone = sample(parts, 7, seed=3, batch_size=4)
    one, labels = alone["x"], alone["label"]
    assert one.float().std() > 20  # the samples differ
    for two in two_processes(work):
        assert two["label"].tolist() == labels.tolist()
        assert (two["x"].int() - one.int()).abs().max() <= 1  # rounding depends on the batch size


def test_a_sampler_that_fails_on_one_process_fails_on_both(parts, two_processes, monkeypatch):
    draw = sampling.draw

    def failing(parts, indices, seed):
        if 5 in indices:
            raise Unsolved("no finite number")
        return draw(parts, indices, seed)

    monkeypatch.setattr(sampling, "draw", failing)

    def work(rank):
        distributed.join()
        with pytest.raises(Unsolved) as error:
            sample(parts, 7, seed=3, batch_size=2)
        return str(error.value)

    assert two_processes(work) == ["the sampler failed on another process", "no finite number"]


@pytest.mark.parametrize("place", ["RANK", "SLURM_PROCID", "NODE_RANK", "LOCAL_RANK"])
def test_the_first_process_of_a_job_knows_itself_before_there_is_a_group(monkeypatch, place):
    assert distributed.leads()
    monkeypatch.setenv(place, "0")
    assert distributed.leads()
    monkeypatch.setenv(place, "1")
    assert not distributed.leads()
