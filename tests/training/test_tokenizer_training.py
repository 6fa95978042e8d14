"""The loss of a tokenizer is the sum it is said to be, and each optimizer minds its own."""

import pytest
import torch
from torch.testing import assert_close

from ldm.losses import Alignment, GradientPenalty, ReconstructionLoss
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


def test_a_discriminator_may_be_clipped_alone(tokenizer_training, run, tmp_path):
    training = tokenizer_training(adversarial=True, discriminator_clip=1e-3, samples=192)
    run(training, tmp_path)
    own = torch.cat([p.grad.flatten() for p in training.adversarial.parameters()]).norm()
    assert_close(own, torch.tensor(1e-3), rtol=1e-2, atol=0)
    tokenizers = torch.cat([p.grad.flatten() for p in training.model.parameters()]).norm()
    assert_close(tokenizers, training.logs["grad_norm"])
    assert tokenizers > 2e-3


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


def test_a_codebook_is_said_to_collapse_below_a_hundredth_of_what_a_batch_could_use(
    tokenizer_training, digits
):
    training = tokenizer_training()
    batch = next(iter(digits.train_batches(0, 64, rank=0, world=1, batch_size=64)))
    loss_of(training, batch)
    assert training.codes_drawn == 64 * 4 * 4
    training.model.bottleneck.vocabulary = 262_144
    assert training.doubt({"perplexity": 10.3}) is None
    assert "the codebook has collapsed" in training.doubt({"perplexity": 10.2})
    training.model.bottleneck.vocabulary = 512
    assert training.doubt({"perplexity": 5.2}) is None
    assert "below 1% of what it could be" in training.doubt({"perplexity": 5.1})
    assert tokenizer_training("gaussian").doubt({"loss": 1.0}) is None


def noted(monkeypatch, owner, method: str) -> list:
    """Have a method's first arguments noted."""
    first, plain = [], getattr(owner, method)

    def noting(*arguments):
        first.append(arguments[0])
        return plain(*arguments)

    monkeypatch.setattr(owner, method, noting)
    return first


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_second_batch_is_the_discriminators_own_and_not_counted(
    tokenizer_training, run, digits, tmp_path, monkeypatch, accumulate
):
    training = tokenizer_training(adversarial=True, second_batch=True, samples=256)
    trained = noted(monkeypatch, training, "tokenizer_loss")
    real = noted(monkeypatch, training.adversarial, "discriminator_loss")
    run(training, tmp_path, accumulate=accumulate)
    batches = [batch["x"] for batch in digits.train_batches(0, 512, 0, 1, 64)]
    assert training.samples_seen == 256
    assert torch.equal(torch.cat([batch["x"] for batch in trained]), torch.cat(batches[::2]))
    assert torch.equal(torch.cat(real)[128:], torch.cat(batches[5::2]))  # it starts at 128


def test_a_discriminator_may_have_an_optimizer_of_its_own(tokenizer_training):
    options = {"adversarial": True, "discriminator_optimizer": torch.optim.SGD}
    first, second = tokenizer_training(**options).configure_optimizers()
    assert isinstance(first, torch.optim.AdamW)
    assert isinstance(second, torch.optim.SGD)


class Half(torch.nn.Module):
    """Features on the latents' grid: the mean of 2 x 2 pixels, twice."""

    width = 2

    def grid_of(self, x):
        return torch.nn.functional.avg_pool2d(x, 2).expand(-1, 2, -1, -1)


def test_an_alignments_map_is_trained_and_resumed_with_the_tokenizer(
    tokenizer_training, run, tmp_path
):
    class Encoder(torch.nn.Sequential):
        @property
        def last_layer(self):
            return self[-1].weight

    def made(samples):
        torch.manual_seed(0)
        alignment = Alignment(4, Half())
        start = alignment.project.weight.detach().clone()
        with pytest.raises(ValueError, match="Sequential has no `last_layer` for an alignment"):
            tokenizer_training("gaussian", alignment=alignment)
        training = tokenizer_training("gaussian", samples=samples)
        training.model.encoder = Encoder(*training.model.encoder)
        training.alignment = alignment
        return training, start

    whole, start = made(256)
    run(whole, tmp_path / "whole")
    assert not torch.equal(whole.alignment.project.weight, start)
    assert whole.logs["alignment"] > 0
    run(made(128)[0], tmp_path / "parts")
    again, _ = made(256)
    run(again, tmp_path / "parts")
    assert torch.equal(again.alignment.project.weight, whole.alignment.project.weight)
    for one, other in zip(again.model.parameters(), whole.model.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("step", [0, 1, 2, 3])
def test_a_lazy_penalty_is_counted_in_steps_since_training_began(tokenizer_training, digits, step):
    training = tokenizer_training(adversarial=True)
    training.adversarial.start = 0
    training.adversarial.penalties["r1"] = GradientPenalty(1.0, every=2)
    training.samples_seen = step * training.batch_size
    training.optimizers = lambda **_: [None, None]
    training.minimize = lambda _, parameters, loss, parts, clip=None: {
        **loss(parts[0])[1],
        "grad_norm": torch.zeros(()),
    }
    batch = next(iter(digits.train_batches(0, 64, rank=0, world=1, batch_size=64)))
    assert ("r1" in training.optimize([batch], step_generator(0, 0, 0))) == (step % 2 == 0)
