"""One training step of the EGNN of EDM on QM9, compared with a plain one on lists of edges.

Both have the same weights: width 256, 9 blocks, batches of 64 molecules of up to 29 atoms, whose
sizes are drawn from QM9's. The plain one gathers `[h_i, h_j, e_ij]` for every pair of places, as
implementations on edge lists do, and multiplies messages by a mask. Steps alternate, so that other
load on the machine affects both equally. Peak memory is that of a fresh process for each.

Run it with `python -m benchmarks.egnn`.
"""

import statistics
import subprocess
import sys
import time
from contextlib import nullcontext

import torch
from torch import Tensor, nn

from ldm.networks.molecules.egnn import EGNN, REACH

BATCH, PLACES, WIDTH, DEPTH, ROUNDS = 64, 29, 256, 9, 3
BASELINE = "edge-list EGNN"
Row = tuple[str, float, float, str, str]


class EdgeListEGNN(nn.Module):
    """The same function of the same weights, on a list of all pairs of places."""

    def __init__(self, ours: EGNN) -> None:
        super().__init__()
        self.ours = ours

    def forward(self, h: Tensor, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        b, n = mask.shape
        i, j = (index.flatten() for index in torch.meshgrid(*[torch.arange(n)] * 2, indexing="ij"))
        first = n * torch.arange(b)[:, None]
        i, j = (first + i).flatten(), (first + j).flatten()
        place = mask.flatten()[:, None].to(x.dtype)
        edge = place[i] * place[j] * (i != j)[:, None]
        h, x = self.ours.embedding(h.flatten(0, 1)), x.flatten(0, 1)
        first = (x[i] - x[j]).square().sum(1, keepdim=True)
        for block in self.ours.blocks:
            apart = x[i] - x[j]
            square = apart.square().sum(1, keepdim=True)
            pairs = torch.cat([square, first], 1)
            message = block.gcl.edge_mlp(torch.cat([h[i], h[j], pairs.to(h.dtype)], 1))
            message = block.gcl.att_mlp(message) * message * edge
            received = torch.zeros_like(h).index_add(0, i, message.to(h.dtype))
            received = received / block.gcl.normalization
            h = (h + block.gcl.node_mlp(torch.cat([h, received], 1))) * place
            step = block.coord_mlp(torch.cat([h[i], h[j], pairs.to(h.dtype)], 1))
            direction = apart / ((square + 1e-8).sqrt() + 1)
            moves = direction * torch.tanh(step) * REACH * edge
            x = x + torch.zeros_like(x).index_add(0, i, moves) / block.normalization
            x = x * place
        out = self.ours.embedding_out(h) * place
        return out.unflatten(0, (b, n)), x.unflatten(0, (b, n))


def batch(sizes: Tensor, places: int, features: int) -> tuple[Tensor, Tensor, Tensor]:
    """Random molecules of these sizes: features, positions and mask."""
    generator = torch.Generator().manual_seed(0)
    mask = torch.arange(places) < sizes[:, None]
    x = 1.5 * torch.randn(len(sizes), places, 3, generator=generator) * mask[..., None]
    return torch.randn(len(sizes), places, features, generator=generator), x, mask


def like_qm9(generator: torch.Generator) -> Tensor:
    """Numbers of atoms with the mean and deviation of QM9's, 18.0 and 2.9, one of the largest."""
    sizes = (18 + 2.9 * torch.randn(BATCH, generator=generator)).round().clamp(3, PLACES).long()
    sizes[0] = PLACES
    return sizes


def step(kind: str, precision: str):
    """Build a function that trains the network of this kind for one step on a fixed batch."""
    torch.manual_seed(0)
    ours = EGNN(7, 7, WIDTH, DEPTH)
    net = ours if kind == "ours" else EdgeListEGNN(ours)
    h, x, mask = batch(like_qm9(torch.Generator().manual_seed(0)), PLACES, 7)
    optimizer = torch.optim.AdamW(net.parameters(), lr=1e-4, amsgrad=True)
    half = precision == "bf16"

    def train() -> None:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16) if half else nullcontext():
            features, moved = net(h, x, mask)
        (features.float().square().mean() + (moved - x).square().mean()).backward()
        optimizer.step()

    return train


def peak(kind: str) -> float:
    """GiB by which one float32 step raises the peak memory of a process of its own."""
    code = (
        "import resource; from benchmarks.egnn import step;"
        f"train = step({kind!r}, 'float32');"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss; train();"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**20)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout)


def rows() -> list[Row]:
    """Measure; one row per comparison: name, our seconds, baseline seconds, baseline, target."""
    # Before this process grows: a new one starts with the peak of the one that it comes from.
    memory = f"peak memory {peak('ours') / peak('plain'):.2f} of its, at most 0.4"
    kinds = {"ours": "float32", "plain": "float32", "ours in bf16": "bf16"}
    steps = {name: step(name.split()[0], precision) for name, precision in kinds.items()}
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(1 + ROUNDS):
        for name, train in steps.items():
            start = time.perf_counter()
            train()
            if number:  # the first warms up
                seconds[name].append(time.perf_counter() - start)
    times = {name: statistics.median(found) for name, found in seconds.items()}
    plain, what = times["plain"], "EGNN training step, 64 molecules"
    return [
        (f"{what}, float32", times["ours"], plain, BASELINE, f"ratio at most 0.35; {memory}"),
        (f"{what}, bf16 autocast", times["ours in bf16"], plain, BASELINE, "ratio at most 0.15"),
    ]


if __name__ == "__main__":
    for name, ours, theirs, baseline, target in rows():
        print(f"{name}: {ours:.3f}, {baseline} {theirs:.3f}, ratio {ours / theirs:.3f} ({target})")
