"""One training step of DiT-S/2, compared with diffusers' transformer of the same size.

Batches of 8 latents of 4 x 32 x 32, bfloat16 autocast, fused AdamW, on the CPU. Steps of both
networks alternate, so that other load on the machine affects both equally.

Run it with `python -m benchmarks.dit_step`.
"""

import statistics
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from diffusers import DiTTransformer2DModel
from torch import Tensor, nn

from ldm.networks.images.dit import DiT

BATCH, ROUNDS, WARMUP = 8, 7, 2
BASELINE = "diffusers DiTTransformer2DModel"
Row = tuple[str, float, float, str, str]


class Diffusers(nn.Module):
    """Wrapper of diffusers' DiT-S/2 with the signature of ours."""

    def __init__(self) -> None:
        super().__init__()
        self.net = DiTTransformer2DModel(
            num_attention_heads=6, attention_head_dim=64, num_layers=12, out_channels=8
        )

    def forward(self, x: Tensor, t: Tensor, label: Tensor) -> Tensor:
        return self.net(x, timestep=t, class_labels=label).sample


def training_step(net: nn.Module, channels: int = 8) -> Callable[[], None]:
    """Build a function that trains a network of so many output channels on a fixed batch."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(BATCH, 4, 32, 32, generator=generator)
    target = torch.randn(BATCH, channels, 32, 32, generator=generator)
    t, label = torch.randint(1000, (2, BATCH), generator=generator)
    trained = [p for p in net.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-4, weight_decay=0.0, fused=True)

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16):
            loss = F.mse_loss(net(x, t, label), target)
        loss.backward()
        optimizer.step()

    return step


def compiled(net: nn.Module, blocks: nn.ModuleList) -> nn.Module:
    """Compile each block of the network in place, as training does."""
    for block in blocks:
        block.compile()
    return net


def medians(steps: dict[str, Callable[[], None]]) -> dict[str, float]:
    """Measure the median seconds of each function, with alternating calls."""
    for step in steps.values():
        for _ in range(WARMUP):
            step()
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(ROUNDS):
        for name, step in steps.items():
            start = time.perf_counter()
            step()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(times) for name, times in seconds.items()}


def rows() -> list[Row]:
    """Measure; one row per comparison: name, our seconds, baseline seconds, baseline, target."""
    torch.manual_seed(0)
    ours, theirs = DiT.sized("S/2"), Diffusers()
    nets = {
        "ours": DiT.sized("S/2"),
        "theirs": Diffusers(),
        "ours compiled": compiled(ours, ours.blocks),
        "theirs compiled": compiled(theirs, theirs.net.transformer_blocks),
    }
    seconds = medians({name: training_step(net) for name, net in nets.items()})
    return [
        (
            "DiT-S/2 training step, compiled blocks",
            seconds["ours compiled"],
            seconds["theirs"],
            BASELINE,
            "ratio at most 0.85",
        ),
        (
            "DiT-S/2 training step, compiled blocks",
            seconds["ours compiled"],
            seconds["theirs compiled"],
            f"{BASELINE}, compiled blocks",
            "reported",
        ),
        ("DiT-S/2 training step, eager", seconds["ours"], seconds["theirs"], BASELINE, "reported"),
    ]


if __name__ == "__main__":
    for name, ours, theirs, baseline, target in rows():
        print(
            f"{name}: {ours:.3f} s, {baseline} {theirs:.3f} s, ratio {ours / theirs:.2f} ({target})"
        )
