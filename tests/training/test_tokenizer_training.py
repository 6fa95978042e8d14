"""The loss of a tokenizer is the sum it is said to be, and each optimizer minds its own."""

import pytest
import torch
from torch.testing import assert_close

from ldm.losses import ReconstructionLoss
from ldm.randomness import step_generator
from ldm.training import TokenizerTraining


def loss_of(training: TokenizerTraining, batch: dict) -> dict[str, torch.Tensor]:
    """Return what a training step would log, without taking it."""
    training.minimize = lambda _, parameters, loss, parts: loss(parts[0])[1]
    training.optimizers = lambda **_: None
    return training.optimize([batch], step_generator(0, 0, 0))


@pytest.mark.parametrize("kind", ["gsq", "gaussian"])
@pytest.mark.parametrize("weight", [0.0, 0.1, 10.0])
def test_the_loss_is_reconstruction_plus_weighted_bottleneck_losses(
    make_tokenizer, tokenizer_training, digits, kind, weight
):
    training = tokenizer_training(kind)
    training.bottleneck_weight = weight
    batch = next(iter(digits.train_batches(0, 64, rank=0, world=1, batch_size=64)))
    tokenizer = make_tokenizer(kind).train()
    back, encoded = tokenizer(batch, step_generator(0, 0, 0))
    bottleneck = sum(encoded.losses.values())
    assert bottleneck > 0
    expected = sum(ReconstructionLoss("l2")(batch["x"], back["x"]).values()) + weight * bottleneck
    assert_close(loss_of(training, batch)["loss"], expected.detach())


@pytest.mark.parametrize("clip", [None, 1e-3])
def test_the_discriminators_gradient_is_measured_and_clipped_by_itself(
    tokenizer_training, run, tmp_path, clip
):
    training = tokenizer_training(adversarial=True, clip=clip, samples=192)  # it starts at 128
    run(training, tmp_path)
    own = torch.cat([p.grad.flatten() for p in training.adversarial.parameters()]).norm()
    if clip is None:
        assert own > 0
        assert_close(training.logs["discriminator_grad_norm"], own)
    else:
        assert_close(own, torch.tensor(clip), rtol=1e-2, atol=0)
        assert training.logs["discriminator_grad_norm"] > 2 * clip
    tokenizers = torch.cat([p.grad.flatten() for p in training.model.parameters()]).norm()
    assert_close(tokenizers, training.logs["grad_norm"] if clip is None else torch.tensor(clip))


@pytest.mark.parametrize("samples", [0, 128])
def test_the_encoder_is_trained_for_as_many_samples_as_it_is_said(
    make_tokenizer, tokenizer_training, run, tmp_path, samples
):
    training = tokenizer_training(encoder_samples=samples, samples=256)
    run(training, tmp_path / "whole")
    expected = make_tokenizer("gsq")
    if samples:
        short = tokenizer_training(samples=samples)
        run(short, tmp_path / "short")
        expected = short.model
    for one, other in zip(
        training.model.encoder.parameters(), expected.encoder.parameters(), strict=True
    ):
        assert torch.equal(one, other)
    moved = zip(training.model.decoder.parameters(), expected.decoder.parameters(), strict=True)
    assert all(not torch.equal(one, other) for one, other in moved)
