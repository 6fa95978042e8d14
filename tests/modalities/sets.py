"""Sets of up to a few vectors whose mean is zero: data, tokenizer, network, loss and scorer."""

import hashlib
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.data import Dataset

from data import Batch, DataModule, Draw
from data.order import mix
from eval.scorers.scorer import Scorer
from ldm.run.sampling import draw_share, gather
from modalities.centred_sets import CentredSets

__all__ = ["CentredSets", "Centring", "MaskedError", "PointLinear", "SetNetwork", "Sets"]

SIZES = (2, 3, 5)


def mask_of(sizes: torch.Tensor, places: int) -> torch.Tensor:
    return torch.arange(places) < sizes[:, None]


class SetsDataset(Dataset):
    """Polygons: the vertices of a regular one, of two, three or five vertices, turned at random."""

    def __init__(self, n: int, places: int, seed: int) -> None:
        key = mix(seed, np.arange(n))
        sizes = torch.tensor([SIZES[k] for k in (key % np.uint64(3)).tolist()])
        turn = torch.from_numpy((key >> np.uint64(12)).astype(np.float64) / 2.0**52)
        self.mask = mask_of(sizes, places)
        angle = 2 * torch.pi * (torch.arange(places) / sizes[:, None] + turn[:, None])
        x = torch.stack([angle.cos(), angle.sin()], -1) * 1.4
        self.x = CentredSets(places, self.mask).project(x.float())

    def __len__(self) -> int:
        return len(self.x)

    def __getitems__(self, items: list) -> Batch:
        index = torch.tensor([i.index if isinstance(i, Draw) else i for i in items])
        return {"x": self.x[index], "mask": self.mask[index], "index": index}

    def digest(self) -> str:
        return hashlib.sha256(self.x.numpy().tobytes()).hexdigest()


class Sets(DataModule):
    """Splits of such sets; what is generated may be asked to have a size."""

    name = "sets"
    shown = 4

    def __init__(self, places: int = 5, seed: int = 0, workers: int = 0) -> None:
        super().__init__(seed, workers)
        self.places = places

    @property
    def shape(self) -> tuple[int, int]:
        return (self.places, 2)

    @property
    def interface(self) -> dict[str, int]:
        return {"places": self.places}

    def load(self, split: str) -> SetsDataset:
        return SetsDataset(64 if split == "train" else 16, self.places, int(split == "train"))

    def example(self, n: int) -> Batch:
        return {"x": torch.zeros(n, *self.shape), "mask": torch.ones(n, self.places).bool()}

    def requests(self, indices, seed: int, size: int | None = None, **asked) -> Batch:
        batch = super().requests(indices, seed, **asked)
        drawn = [SIZES[int(k) % 3] for k in mix(seed, np.array(list(indices)))]
        sizes = torch.tensor(drawn if size is None else [size] * len(drawn))
        return {**batch, "mask": mask_of(sizes, self.places)}

    def show(self, batch: Batch, columns: int | None = None) -> torch.Tensor:
        picture = torch.ones(3, 32, 32)
        at = ((batch["x"][batch["mask"]].clamp(-2, 2) + 2) * 7.75).long()
        picture[:, at[:, 1], at[:, 0]] = 0
        return picture

    def save(self, folder: Path, batch: Batch) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        np.savez(folder / "sets.npz", **{key: value.numpy() for key, value in batch.items()})


class PointLinear(nn.Module):
    """The same linear map of every vector: the mean of a set stays zero, and padding too."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.eye(2) + 0.1 * torch.randn(2, 2))

    def forward(self, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return x @ self.weight


class MaskedError(nn.Module):
    """Squared error of the vectors that are there."""

    def forward(self, tokenizer, batch, encoded, reconstruction, samples_seen, generator):
        error = (reconstruction["x"] - batch["x"])[batch["mask"]]
        return error.square().mean()


class SetNetwork(nn.Module):
    """A perceptron of each vector, the mean of its set and the time; it knows no padding."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(5, width), nn.SiLU(), nn.Linear(width, 2))

    def forward(self, x: torch.Tensor, t: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        size = mask.sum(1)[:, None, None]
        spread = (x.square() * mask[..., None]).sum(1, keepdim=True) / size
        time = (t.to(x.dtype) / 1000 if t.max() > 1 else t.to(x.dtype))[:, None, None]
        read = [x, spread.expand_as(x), time.expand(*x.shape[:2], 1)]
        return self.layers(torch.cat(read, 2))


class Centring(Scorer):
    """Score the distance of generated sets' means from zero, and the content of their padding."""

    def __init__(self, samples: int = 8, seed: int = 0) -> None:
        self.samples, self.seed = samples, seed

    def check(self, parts) -> None:
        assert "mask" in parts.data.example(1)

    def score(self, parts, record) -> None:
        share = draw_share(parts, self.samples, self.seed, 4)
        batch = gather((drawn.batch for drawn in share), self.samples)
        padding = batch["x"][~batch["mask"]]
        found = {"mean": batch["x"].sum(1).abs().max(), "padding": padding.abs().max()}
        record.add(found, n=self.samples)
