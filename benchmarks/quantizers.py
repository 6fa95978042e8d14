"""Training steps of quantisers, compared with vector-quantize-pytorch's at equal settings.

    python -m benchmarks.quantizers

A step is the forward pass with all losses, and the backward pass to the features. Both choose equal
codes, which is checked. Times are medians of alternating runs. BSQ is compared with their spherical
LFQ, and residual quantisers move their codebooks as EMA-VQ does.
"""

import time
from collections.abc import Callable
from functools import partial
from statistics import median

import torch
from torch import Tensor, nn
from vector_quantize_pytorch import FSQ, LFQ, ResidualVQ

from ldm.bottlenecks import (
    BinarySphericalQuantizer,
    EMAVectorQuantizer,
    FiniteScalarQuantizer,
    LookupFreeQuantizer,
    ResidualQuantizer,
)

BASELINE = "vector-quantize-pytorch"
RUNS = 7
LEVELS = [8, 8, 8, 5, 5, 5]
GRID = [8, 8]  # theirs hold a table of tokens and codes

Step = Callable[[Tensor], tuple[Tensor, Tensor, Tensor]]


def rows() -> list[tuple[str, float, float, str, str]]:
    """Measure; one row per quantiser: name, our seconds, baseline seconds, baseline, target."""
    return [
        (name, *measure(channels, ours, theirs), BASELINE, "1.25x")
        for name, (channels, ours, theirs) in cases().items()
    ]


def cases() -> dict[str, tuple[int, Step, Step]]:
    """Feature channels, our step and theirs, by name."""
    rvq, library = residual()
    return {
        "FSQ of 64,000 codes": (6, own(FiniteScalarQuantizer(LEVELS)), without_loss()),
        "LFQ of 12 bits": (12, own(LookupFreeQuantizer([12])), bits(False, 100.0)),
        "BSQ of 12 bits": (
            12,
            own(BinarySphericalQuantizer([12], beta=0.25 / 12, together=None)),
            bits(True, 1.0),
        ),
        "RVQ, 8 stages of 1,024 codes": (8, own(rvq), of_residuals(library)),
    }


def own(bottleneck: nn.Module) -> Step:
    def step(h: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        encoded = bottleneck(h)
        loss = sum(encoded.losses.values(), torch.zeros(()))
        return encoded.latent, encoded.codes.flatten(), loss

    return step


def without_loss() -> Step:
    library = FSQ(LEVELS, channel_first=True)

    def step(h: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        latent, codes = library(h)
        return latent, codes.flatten(), torch.zeros(())

    return step


def bits(spherical: bool, inverse: float) -> Step:
    library = LFQ(dim=12, codebook_size=2**12, commitment_loss_weight=0.25, spherical=spherical)

    def step(h: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        latent, codes, loss = library(h, inv_temperature=inverse)
        return latent, codes.flatten(), loss

    return step


def residual() -> tuple[ResidualQuantizer, ResidualVQ]:
    torch.manual_seed(0)
    ours = ResidualQuantizer([8], 8, partial(EMAVectorQuantizer, codes=1024))
    theirs = ResidualVQ(
        dim=8, num_quantizers=8, codebook_size=1024, decay=0.99, commitment_weight=0.25
    )
    for stage, layer in zip(ours.stages, theirs.layers, strict=True):
        stage.codebook.normal_(std=0.5)
        stage.sums.copy_(stage.codebook)
        for name in ("embed", "embed_avg"):
            getattr(layer._codebook, name).data.copy_(stage.codebook[None])
        layer._codebook.cluster_size.fill_(1)
        layer._codebook.initted.fill_(True)
    return ours, theirs


def of_residuals(library: ResidualVQ) -> Step:
    def step(h: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        latent, codes, losses = library(h.flatten(2).mT)
        return latent, codes.flatten(), losses.sum()

    return step


def measure(channels: int, ours: Step, theirs: Step) -> tuple[float, float]:
    """Median seconds of our step and theirs; the codes of the first are compared."""
    h = torch.randn(16, channels, *GRID, generator=torch.Generator().manual_seed(1))
    pair = [clock(step, h) for step in (ours, theirs)]
    if not torch.equal(*(codes.long() for _, codes in pair)):
        raise RuntimeError("the two quantisers chose other codes")
    seconds = [[clock(step, h)[0] for step in (ours, theirs)] for _ in range(RUNS)]
    return median(one for one, _ in seconds), median(other for _, other in seconds)


def clock(step: Step, h: Tensor) -> tuple[float, Tensor]:
    """Seconds of one step, and the codes."""
    h = h.clone().requires_grad_()
    start = time.perf_counter()
    latent, codes, loss = step(h)
    (latent.sum() + loss).backward()
    return time.perf_counter() - start, codes


if __name__ == "__main__":
    for name, ours, theirs, _, target in rows():
        print(f"{name}: {1e3 * ours:.1f} ms, {BASELINE} {1e3 * theirs:.1f} ms, ", end="")
        print(f"{theirs / ours:.2f}x (target {target})", flush=True)
