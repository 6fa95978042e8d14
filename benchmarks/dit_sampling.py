"""Sampling from DiT-S/2 with guidance, compared with the loop of diffusers' DiT pipeline.

Four latents of 4 x 32 x 32 in two DDIM steps, so eight in a pass with and without labels. The
baseline is diffusers' transformer and scheduler in the loop of its pipeline, with the same number
of steps and threads, in the same precision: float32, or bfloat16 autocast. Loops alternate, and a
ratio is the median of ratios of neighbours, so that other load on the machine affects both equally.

Run it with `python -m benchmarks.dit_sampling`.
"""

import statistics
import time
from collections.abc import Callable
from functools import partial

import torch
from diffusers import DDIMScheduler, DiTTransformer2DModel
from torch import Tensor, nn

from ldm.conditioning import Conditioning, Labels
from ldm.networks.execution import Execution
from ldm.networks.images.dit import DiT
from ldm.objectives import Regression
from ldm.priors import Denoiser
from ldm.processes import GaussianDiffusion
from ldm.samplers import DDIM, Guidance
from ldm.spaces import Flat

SAMPLES, STEPS, SCALE, CLASSES = 4, 2, 4.0, 1000
ROUNDS, WARMUP = 7, 2
SCHEDULER = partial(DDIMScheduler, timestep_spacing="trailing", clip_sample=False)
BASELINE = "diffusers"
Loop = Callable[[], Tensor]
Row = tuple[str, float, float, str, str]


def ours(precision: str, compiled: bool) -> Loop:
    """Build our sampling loop, as sample.py runs it."""
    net = random_weights(DiT.sized("S/2"))
    Execution(precision, compiled).prepare(net, "cpu")
    process = GaussianDiffusion(Flat([4, 32, 32]))
    prior = Denoiser(net, process, Regression("eps"), Conditioning(label=Labels(CLASSES)))
    sampler, label = DDIM(STEPS), torch.arange(SAMPLES)
    generator = torch.Generator().manual_seed(0)
    return lambda: prior.sample(SAMPLES, {"label": label}, sampler, generator, Guidance(SCALE))


def theirs(precision: str, compiled: bool) -> Loop:
    """Build the loop of diffusers' DiT pipeline, without its decoder."""
    net = DiTTransformer2DModel(
        num_attention_heads=6, attention_head_dim=64, num_layers=12, out_channels=8
    )
    random_weights(net)
    if compiled:
        for block in net.transformer_blocks:
            block.compile()
    scheduler, label = SCHEDULER(), torch.arange(SAMPLES)
    labels = torch.cat([label, torch.full_like(label, CLASSES)])

    @torch.no_grad()
    def loop() -> Tensor:
        x = torch.randn(SAMPLES, 4, 32, 32)
        scheduler.set_timesteps(STEPS)
        for t in scheduler.timesteps:
            both = scheduler.scale_model_input(torch.cat([x, x]), t)
            with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16-mixed"):
                output = net(both, timestep=t.expand(len(both)), class_labels=labels).sample
            told, untold = output[:, :4].float().chunk(2)
            x = scheduler.step(untold + SCALE * (told - untold), t, x).prev_sample
        return x

    return loop


def random_weights(net: nn.Module) -> nn.Module:
    """Draw all weights, of which some are zero at initialisation, and freeze them."""
    generator = torch.Generator().manual_seed(0)
    for parameter in net.parameters():
        nn.init.normal_(parameter, std=0.02, generator=generator)
    return net.eval().requires_grad_(False)


def measure(loops: dict[str, Loop]) -> dict[str, list[float]]:
    """Measure the seconds of each loop, with alternating calls."""
    seconds: dict[str, list[float]] = {name: [] for name in loops}
    for number in range(WARMUP + ROUNDS):
        for name, loop in loops.items():
            start = time.perf_counter()
            loop()
            if number >= WARMUP:
                seconds[name].append(time.perf_counter() - start)
    return seconds


def rows() -> list[Row]:
    """Measure; one row per comparison: name, our seconds, baseline seconds, baseline, target."""
    found = []
    for precision in ("32-true", "bf16-mixed"):
        loops = {
            "ours": ours(precision, False),
            "ours compiled": ours(precision, True),
            "theirs": theirs(precision, False),
            "theirs compiled": theirs(precision, True),
        }
        seconds = measure(loops)
        for one, other, target in (
            ("ours compiled", "theirs", "ratio at most 0.85"),
            ("ours compiled", "theirs compiled", "reported"),
            ("ours", "theirs", "reported"),
        ):
            pairs = zip(seconds[one], seconds[other], strict=True)
            ratio = statistics.median(a / b for a, b in pairs)
            baseline = statistics.median(seconds[other])
            mode = "compiled" if one == "ours compiled" else "eager"
            against = f"{BASELINE}{', compiled' if other == 'theirs compiled' else ''}"
            name = f"DiT-S/2 guided sampling, {precision}, {mode}"
            found.append((name, ratio * baseline, baseline, against, target))
    return found


if __name__ == "__main__":
    for name, mine, other, baseline, target in rows():
        ratio = f"ratio {mine / other:.2f} ({target})"
        print(f"{name}: {mine:.3f} s, {baseline} {other:.3f} s, {ratio}", flush=True)
