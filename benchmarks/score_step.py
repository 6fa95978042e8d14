"""Fraction of a denoising score matching step on the sphere that is spent outside the network.

    python -m benchmarks.score_step

RSGM's network, batch 512, float32, medians of alternating steps. The baseline is a whole step:
noise, its score, the loss, the network's forward and backward passes, Adam and the weight average;
ours is the step minus the network's passes, so the ratio is the fraction outside the network.
"""

import statistics
import time

import torch

from ldm.networks.points.mlp import MLP
from ldm.objectives import DenoisingScoreMatching
from ldm.priors import Denoiser
from ldm.processes import Brownian
from ldm.processes.rates import Linear
from ldm.spaces import Sphere
from ldm.training.ema import EMA

BATCH, STEPS = 512, 40


def rows() -> list[tuple[str, float, float, str, str]]:
    """Measure; one row: name, seconds outside the network, seconds of a step, baseline, target."""
    space = Sphere(2)
    prior = Denoiser(MLP([3]), Brownian(space, Linear()), DenoisingScoreMatching())
    optimizer = torch.optim.Adam(prior.parameters(), fused=True)  # as configs/prior/rsgm.yaml
    ema = EMA(prior, 0.999)
    x = space.random(BATCH)
    t = prior.process.random_times(BATCH, None, "cpu")

    def step() -> None:
        optimizer.zero_grad()
        prior.loss(x, {})["loss"].mean().backward()
        optimizer.step()
        ema.update(prior)

    def network() -> None:
        optimizer.zero_grad()
        prior.backbone(x, t).square().mean().backward()

    seconds: dict = {step: [], network: []}
    for _ in range(STEPS):
        for function, times in seconds.items():
            start = time.perf_counter()
            function()
            times.append(time.perf_counter() - start)
    whole, inside = (statistics.median(times) for times in seconds.values())
    name = f"outside the network, S^2, batch {BATCH}"
    return [(name, whole - inside, whole, "a whole step", "share of 0.2 at most")]


if __name__ == "__main__":
    for name, outside, whole, _, target in rows():
        print(f"{name}: {outside / whole:.1%} of a step ({target})")
