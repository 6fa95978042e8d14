"""Small models on digits, and a fit that can be stopped wherever a test wants."""

import functools
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from data import Digits
from ldm.bottlenecks import Gaussian, GroupedSphericalQuantizer
from ldm.conditioning import Conditioning, Labels
from ldm.losses import Adversarial, ReconstructionLoss
from ldm.networks.images.dit import DiT
from ldm.networks.images.patchgan import PatchGAN
from ldm.objectives import Regression
from ldm.priors import Denoiser
from ldm.processes import GaussianDiffusion
from ldm.tokenizers import Tokenizer
from ldm.training import PriorTraining, TokenizerTraining, TrainerOptions, Training
from ldm.training.fit import fit

ADAM = functools.partial(torch.optim.AdamW, lr=1e-3)


class Decoder(nn.Sequential):
    @property
    def last_layer(self) -> Tensor:
        return self[-1].weight


def _tokenizer(kind: str = "gsq", seed: int = 0) -> Tokenizer:
    """8x8 digits to latents of 4 channels on a 4x4 grid."""
    torch.manual_seed(seed)
    bottleneck = (
        GroupedSphericalQuantizer([4, 4, 4], groups=1, codes=32, flat=True)
        if kind == "gsq"
        else Gaussian([4, 4, 4])
    )
    encoder = nn.Sequential(
        nn.Conv2d(1, 8, 2, 2), nn.SiLU(), nn.Conv2d(8, bottleneck.in_channels, 1)
    )
    decoder = Decoder(nn.ConvTranspose2d(4, 8, 2, 2), nn.SiLU(), nn.Conv2d(8, 1, 3, 1, 1))
    return Tokenizer(encoder, bottleneck, decoder)


def _adversarial() -> Adversarial:
    torch.manual_seed(7)
    discriminator = PatchGAN(in_channels=1, layers=1, width=8)
    return Adversarial(discriminator, "hinge", "hinge", 0.1, start=128, adaptive="vqgan")


def _tokenizer_training(
    data: Digits,
    kind: str = "gsq",
    adversarial: bool = False,
    **options,
) -> TokenizerTraining:
    tokenizer = _tokenizer(kind)
    weight = 1.0 if kind == "gsq" else 1e-3
    return _with_batches(
        TokenizerTraining(
            tokenizer,
            ReconstructionLoss("l2"),
            weight,
            adversarial=_adversarial() if adversarial else None,
            **{"optimizer": ADAM, "samples": 512, "batch_size": 64, "seed": 0, **options},
        ),
        data,
    )


def _prior_training(data: Digits, tokenizer: Tokenizer, **options) -> PriorTraining:
    torch.manual_seed(3)
    backbone = DiT([4, 4, 4], patch=1, width=32, depth=2, heads=2, classes=10)
    process = GaussianDiffusion(tokenizer.space, schedule="cosine")
    prior = Denoiser(backbone, process, Regression("v"), Conditioning(label=Labels(10)))
    return _with_batches(
        PriorTraining(
            prior,
            tokenizer,
            **{"optimizer": ADAM, "samples": 512, "batch_size": 64, "seed": 0, **options},
        ),
        data,
    )


def _with_batches(training: Training, data: Digits) -> Training:
    training.batches = lambda t: data.train_batches(*t.left())
    return training


def _run(training: Training, folder: Path, loggers=list, **options) -> Training:
    """Fit; eight steps of the default training, a checkpoint and a record after every second."""
    options = {"accelerator": "cpu", "checkpoints": 4, "pictures": 1, "records": 4, **options}
    fit(training, folder, TrainerOptions(**options), _draw, loggers=loggers)
    return training


def _draw(training: Training) -> Tensor:
    return torch.linspace(0, 1, 12).view(1, 3, 4).expand(3, 3, 4)


@pytest.fixture(scope="session")
def digits() -> Digits:
    return Digits()


@pytest.fixture(scope="session")
def tokenizer(digits) -> Tokenizer:
    """Untrained, but measured: its normalised latents are of unit deviation."""
    tokenizer = _tokenizer("gaussian").eval().requires_grad_(False)
    batches = digits.train_batches(0, 1437, 0, 1, 479)
    tokenizer.measure(tokenizer.encode(batch) for batch in batches)
    return tokenizer


@pytest.fixture(scope="session")
def make_tokenizer():
    """`make_tokenizer(kind, seed)`."""
    return _tokenizer


@pytest.fixture(scope="session")
def tokenizer_training(digits):
    """`tokenizer_training(kind, adversarial, **options of the training)`, its batches digits."""
    return functools.partial(_tokenizer_training, digits)


@pytest.fixture(scope="session")
def prior_training(digits, tokenizer):
    """`prior_training(**options of the training)`, its batches digits, not cached."""
    return functools.partial(_prior_training, digits, tokenizer)


@pytest.fixture(scope="session")
def run():
    """`run(training, folder, loggers, **trainer options)`."""
    return _run
