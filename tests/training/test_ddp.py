"""Two processes train what one trains, and stop together."""

import csv
import functools
import math
import os
import signal

import pytest
import torch

from ldm.stopping import Stopped
from ldm.training import Diverged

SGD = functools.partial(torch.optim.SGD, lr=0.05)
DDP = {"strategy": "ddp", "devices": 2}


def weights(training):
    return torch.cat([p.detach().flatten() for p in training.parameters()])


@pytest.mark.parametrize("accumulate", [1, 4])
def test_two_halves_of_a_batch_have_the_gradient_of_the_whole(
    tokenizer_training, run, tmp_path, two_processes, accumulate
):
    options = {"optimizer": SGD, "clip": 0.5}  # of a tokenizer without noise
    one = run(tokenizer_training(**options), tmp_path / "one")

    def work(rank):
        training = tokenizer_training(**options)
        return weights(run(training, tmp_path / "two", accumulate=accumulate, **DDP))

    first, second = two_processes(work)
    assert torch.equal(first, second)
    torch.testing.assert_close(first, weights(one), rtol=1e-4, atol=1e-6)
    # What is written down is averaged over ranks, too; usage of codes is that of a part.
    for mine, theirs in zip(records(tmp_path / "one"), records(tmp_path / "two"), strict=True):
        assert mine == pytest.approx(theirs, rel=1e-4)


def records(folder):
    with (folder / "metrics.csv").open(newline="") as file:
        names = ("samples", "loss", "pixel", "codebook", "grad_norm")
        return [[float(row[name]) for name in names] for row in csv.DictReader(file)]


def test_an_adversarial_tokenizer_trains_with_two_processes(
    tokenizer_training, run, tmp_path, two_processes
):
    def make():
        return tokenizer_training("gaussian", adversarial=True)

    def work(rank):
        training = run(make(), tmp_path, **DDP)
        return weights(training), weights(training.adversarial)

    (first, judge), (second, _) = two_processes(work)
    assert torch.equal(first, second)
    assert not torch.equal(judge, weights(make().adversarial))


def test_an_encoder_that_stops_early_does_so_on_two_processes(
    tokenizer_training, run, tmp_path, two_processes
):
    options = {"optimizer": SGD, "encoder_samples": 128, "samples": 256}
    one = run(tokenizer_training(**options), tmp_path / "one")

    def work(rank):
        return weights(run(tokenizer_training(**options), tmp_path / "two", **DDP))

    first, second = two_processes(work)
    assert torch.equal(first, second)
    torch.testing.assert_close(first, weights(one), rtol=1e-4, atol=1e-6)


def test_a_prior_trains_with_two_processes_on_noise_of_their_own(
    prior_training, run, tmp_path, two_processes
):
    def work(rank):
        training = prior_training()
        drawn = []
        loss = training.model.loss
        training.model.loss = lambda latent, condition, generator: (
            drawn.append(generator.initial_seed()) or loss(latent, condition, generator)
        )
        return weights(run(training, tmp_path, **DDP)), drawn

    (first, seeds), (second, others) = two_processes(work)
    assert torch.equal(first, second)
    assert len({*seeds, *others}) == 16  # in each of eight steps, each rank its own


def test_sigterm_to_one_process_stops_both_at_one_step_and_resuming_is_exact(
    tokenizer_training, run, tmp_path, two_processes
):
    def whole(rank):
        return weights(run(tokenizer_training(), tmp_path / "whole", **DDP))

    def stopped(rank):
        training = tokenizer_training()
        optimize = training.optimize

        def told(*arguments):
            if rank == 1 and training.samples_seen == 128:
                os.kill(os.getpid(), signal.SIGTERM)
            return optimize(*arguments)

        training.optimize = told
        with pytest.raises(Stopped):
            run(training, tmp_path / "parts", **DDP)
        return training.samples_seen

    def resumed(rank):
        return weights(run(tokenizer_training(), tmp_path / "parts", **DDP))

    assert two_processes(stopped) == [192, 192]
    last = torch.load(tmp_path / "parts" / "checkpoints/last.ckpt", weights_only=True)
    assert last["samples_seen"] == 192
    expected = two_processes(whole)
    assert all(map(torch.equal, two_processes(resumed), expected))


def test_a_loss_that_is_not_finite_on_one_process_stops_both(
    tokenizer_training, run, tmp_path, two_processes
):
    def work(rank):
        training = tokenizer_training()
        loss = training.frozen[0].forward

        def spoilt(x, y):
            terms = loss(x, y)
            if rank == 1 and training.samples_seen == 320:
                terms["pixel"] = terms["pixel"] * math.nan
            return terms

        training.frozen[0].forward = spoilt
        with pytest.raises(Diverged, match="320 samples"):
            run(training, tmp_path, **DDP)
        return weights(training)

    assert all(x.isfinite().all() for x in two_processes(work))
    last = torch.load(tmp_path / "checkpoints/last.ckpt", weights_only=True)
    assert last["samples_seen"] == 256


def test_a_record_that_is_not_finite_on_one_process_stops_both(
    tokenizer_training, run, tmp_path, two_processes
):
    def work(rank):
        training = tokenizer_training()
        loss = training.tokenizer_loss

        def spoilt(*arguments):
            total, logs = loss(*arguments)
            if rank == 1 and training.samples_seen == 128:
                logs["usage"] = torch.tensor(math.inf)
            return total, logs

        training.tokenizer_loss = spoilt
        with pytest.raises(Diverged, match="128 samples") as error:
            run(training, tmp_path, **DDP)
        return str(error.value).partition(" not finite")[0]

    assert two_processes(work) == ["a value of another process", "usage"]
