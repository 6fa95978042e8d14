"""The published tokenizers' losses, to the last term, against sums written by hand."""

import pytest
import torch
from torch.nn.functional import relu, softplus
from torch.testing import assert_close

from ldm.config.compose import compose
from ldm.losses import LPIPS
from ldm.run.models import build_models
from ldm.run.parts import Parts, build_data
from ldm.run.stages import build_training

SMALL = ["tokenizer.encoder.width=32", "tokenizer.encoder.multipliers=[1,1]"]
CLIPS = ["data=moving_digits", "data.frames=5", "data.size=32"]
DISCRIMINATOR = "tokenizer.training.adversarial.discriminator"


@pytest.fixture(scope="module")
def perceptual(tmp_path_factory):
    """Overrides for LPIPS on an AlexNet of random weights."""
    with torch.device("meta"):
        shapes = LPIPS("alex").features.state_dict()
    generator = torch.Generator().manual_seed(0)
    weights = {
        f"features.{name}": 0.1 * torch.randn(value.shape, generator=generator)
        for name, value in shapes.items()
    }
    path = tmp_path_factory.mktemp("alex") / "alex.pth"
    torch.save(weights, path)
    part = "tokenizer.training.loss.perceptual"
    return [f"{part}.network=alex", f"++{part}.weights={path}"]


@pytest.fixture
def built(perceptual):
    """`built(tokenizer, *overrides)`: its training at small width, and a batch."""

    def build(name, *overrides):
        common = ["data=imagenet256", "data.size=32", *(SMALL if "_vit_" not in name else ())]
        if CLIPS[0] in overrides:
            common = []
        common += ["stages=[tokenizer]", "run=runs/test"]
        config = compose([*common, f"tokenizer={name}", *perceptual, *overrides])
        data = build_data(config)
        parts = Parts(config, data, build_models(config, data, ["tokenizer"], "cpu"))
        training = build_training(parts, "tokenizer")
        for module in training.frozen:
            module.eval().requires_grad_(False)
        x = torch.rand(2, *data.shape, generator=torch.Generator().manual_seed(1)) * 2 - 1
        return training, {"x": x}

    return build


def found(training, batch):
    """Losses of tokenizer and discriminator, and what the former is made of."""
    back, encoded = training.model(batch, torch.Generator().manual_seed(2))
    loss, _ = training.tokenizer_loss(batch, back, encoded)
    other, _ = training.adversarial.discriminator_loss(batch["x"], back["x"], training.samples_seen)
    return loss, other, back["x"], encoded


def distance(training, x, y):
    return training.frozen[0].perceptual(x, y)[:, None, None, None]


def gradient(loss, training):
    last = training.model.decoder.last_layer
    return torch.autograd.grad(loss, last, retain_graph=True)[0].norm()


def hinge(training, x, y):
    discriminator = training.adversarial.discriminator
    return (relu(1 - discriminator(x)).mean() + relu(1 + discriminator(y.detach())).mean()) / 2


@pytest.mark.parametrize("name", ["kl_f8", "vq_f8"])
@pytest.mark.parametrize("started", [False, True])
def test_the_losses_of_compvis_and_taming(built, name, started):
    training, batch = built(name, f"{DISCRIMINATOR}.layers=1", f"{DISCRIMINATOR}.width=8")
    weight, start = (0.5, 1_600_032) if name == "kl_f8" else (0.6, 80)
    training.samples_seen = start if started else start - 1
    loss, other, y, encoded = found(training, batch)
    x = batch["x"]
    errors = (x - y).abs() + 1.0 * distance(training, x, y)
    log_variance = torch.zeros(())  # no optimizer has it: it stays where it began
    errors = errors / log_variance.exp() + log_variance
    if name == "kl_f8":
        nll = errors.sum() / 2
        mean, log_var = training.model.encoder(x).chunk(2, dim=1)
        kl = 0.5 * (mean.square() + log_var.exp() - 1 - log_var).sum()
        expected = nll + 1e-6 * kl / 2
    else:
        nll = errors.mean()
        z, q = training.model.encoder(x), encoded.latent
        beta, codebook_weight = 0.25, 1.0
        vq = (q.detach() - z).square().mean() + beta * (q - z.detach()).square().mean()
        expected = nll + codebook_weight * vq
    if started:
        g = -training.adversarial.discriminator(y).mean()
        ratio = gradient(nll, training) / (gradient(g, training) + 1e-4)
        expected = expected + weight * ratio.clamp(0, 1e4) * g
    assert_close(loss, expected)
    factor = float(started)
    assert_close(other, factor * hinge(training, x, y))


def test_the_losses_of_wf_vae(built):
    narrow = ["tokenizer.encoder.width=4", "tokenizer.encoder.flow=4", f"{DISCRIMINATOR}.width=4"]
    training, batch = built("wf_vae_s", *CLIPS, *narrow, f"{DISCRIMINATOR}.dropout=0")
    loss, other, y, encoded = found(training, batch)
    x, clips, frames = batch["x"], 2, 10
    images = [clip.movedim(2, 1).flatten(0, 1) for clip in (x, y)]
    each = distance(training, *images)
    rec = ((images[0] - images[1]).abs() + 1.0 * each).sum() / frames
    mean, log_var = encoded.raw.chunk(2, dim=1)
    kl = 0.5 * (mean.square() + log_var.exp() - 1 - log_var).sum() / clips
    made = training.model.decoder.with_bands(encoded.latent)[1]
    pairs = zip(made, training.model.encoder.bands(x), strict=True)
    wavelets = sum((ours - data).abs().sum() for ours, data in pairs) / clips
    g = -training.adversarial.discriminator(y).mean()
    ratio = (gradient(rec, training) / (gradient(g, training) + 1e-6)).clamp(0, 1e6)
    assert_close(loss, rec + 0.5 * ratio * g + 1e-6 * kl + 0.1 * wavelets)
    assert_close(other, hinge(training, x, y))


def test_the_loss_of_gsq(built):
    adversarial = (
        "tokenizer.training.adversarial={_target_: ldm.losses.Adversarial, discriminator: "
        "{_target_: ldm.networks.images.patchgan.PatchGAN, width: 8, layers: 1}, "
        "generator: non_saturating, discriminator_loss: hinge, weight: 0.1}"
    )
    training, batch = built("gsq_f16", adversarial, "tokenizer.bottleneck.codes=64")
    loss, other, y, encoded = found(training, batch)
    x = batch["x"]
    u, q = training.model.encoder(x), encoded.latent  # groups of two channels: not normalised
    quantization = (q - u.detach()).square().mean() + 0.25 * (q.detach() - u).square().mean()
    g = softplus(-training.adversarial.discriminator(y).mean((1, 2, 3))).mean()
    expected = (x - y).square().mean() + 1.0 * quantization + distance(training, x, y).mean()
    assert_close(loss, expected + 0.1 * g)
    assert_close(other, hinge(training, x, y))


def test_the_losses_of_bsq_with_its_falling_weight_and_lazy_penalty(built):
    narrow = [f"tokenizer.encoder.{one}" for one in ("width=32", "depth=1", "heads=2")]
    small = [f"++{DISCRIMINATOR}.{one}" for one in ("width=4", "multipliers=[2,2]")]
    training, batch = built("bsq_vit_f8", *narrow, *small)
    judge = training.adversarial.discriminator
    for step, weight in ((0, 0.4), (1001, 0.24985), (2000, 0.1), (3001, 0.1)):
        training.samples_seen = 256 * step
        loss, _, y, encoded = found(training, batch)
        x, y = batch["x"].clone().requires_grad_(), y.detach()
        entropy = sum(encoded.losses.values())
        expected = (x - y).square().mean() + 0.1 * distance(training, x, y).mean()
        assert_close(loss, expected + weight * entropy + 0.1 * softplus(-judge(y)).mean())
        other, _ = training.adversarial.discriminator_loss(x, y, 256 * step, step)
        (slope,) = torch.autograd.grad(judge(x).sum(), x, create_graph=True)
        r1 = 5.0 * 16 * slope.flatten(1).square().sum(1).mean() if step % 16 == 0 else 0.0
        assert_close(other, (softplus(-judge(x)).mean() + softplus(judge(y)).mean()) / 2 + r1)
