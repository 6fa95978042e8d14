"""Refusals of a prior's training."""

import pytest
import torch

from ldm.training import PriorTraining


def test_a_prior_of_another_space_is_refused(prior_training, make_tokenizer):
    training = prior_training()
    other = make_tokenizer("gsq")
    other.bottleneck.space = type(other.space)([4, 8, 8])
    options = {"optimizer": torch.optim.SGD, "samples": 1, "batch_size": 1, "seed": 0}
    with pytest.raises(ValueError, match=r"Flat\(4, 4, 4\).*Flat\(4, 8, 8\)"):
        PriorTraining(training.model, other, **options)


@pytest.mark.parametrize("factor", [0.1, 10.0])
def test_latents_of_another_scale_are_refused_at_the_first_step(
    prior_training, tokenizer, run, tmp_path, factor
):
    training = prior_training()
    std = tokenizer.std.clone()
    try:
        tokenizer.std.mul_(factor)
        with pytest.raises(ValueError, match=r"standard deviation of .*mean and std.*measure"):
            run(training, tmp_path)
    finally:
        tokenizer.std.copy_(std)
    assert not (tmp_path / "checkpoints").exists()


def test_latents_that_were_never_measured_are_refused_at_the_first_step(
    prior_training, tokenizer, run, tmp_path
):
    training = prior_training()
    std = tokenizer.std.clone()
    try:
        tokenizer.std.zero_()
        with pytest.raises(ValueError, match=r"never measured: call tokenizer\.measure"):
            run(training, tmp_path)
    finally:
        tokenizer.std.copy_(std)


def test_the_tokenizer_is_frozen_in_evaluation_mode_and_in_no_checkpoint(
    prior_training, tokenizer, run, tmp_path
):
    before = {name: value.clone() for name, value in tokenizer.state_dict().items()}
    training = run(prior_training(), tmp_path)
    frozen = training.latents.tokenizer
    assert not frozen.training
    assert all(torch.equal(before[n], v) for n, v in frozen.state_dict().items())
    assert not any("tokenizer" in name for name in training.state_dict())
