"""FVD and KVD of sampled or reconstructed videos, and their inception score, by named protocols.

Source: Unterthiner et al., "Towards accurate generative models of video: a new metric and
challenges", 2018. KVD is the unbiased squared discrepancy of the kernel (a.b / d + 1)^3 of d
features, 400 of I3D.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float
from omegaconf import OmegaConf
from torch import Tensor

from data import Batch
from data.files.roots import cache_folder
from data.order import permutation
from eval.extractors import ClipExtractor
from eval.record import Record
from eval.scorers.scorer import BatchedScorer, check_samples, check_split, to_device
from eval.scorers.videos.measures import INCEPTION, NAMES, PARTS, Measure, measures, network_of
from eval.scorers.videos.motion import check_videos
from eval.scorers.videos.protocols import PROTOCOLS
from ldm import distributed
from ldm.config.compose import ConfigError
from ldm.progress import tracked
from ldm.run.parts import Parts
from ldm.run.sampling import draw_share

__all__ = ["FVD", "ReconstructionFVD"]


@dataclass
class FVD(BatchedScorer):
    """Fréchet and kernel distance of samples from real clips: `fvd_<protocol>`, `kvd_<protocol>`.

    The protocol `c3d_ucf101` is the inception score of samples: `is_c3d_ucf101`. Real clips are
    those that the data reads in order: one clip a video, from a random frame that is a function of
    `data.data_seed`, unmirrored, where `data.clips=random`.

    Attributes:
        protocols: names in `PROTOCOLS`, or `c3d_ucf101`; each clip is read and drawn once for all.
        samples: number of samples drawn, and of real clips, unless the protocol takes all.
        reference: split of the real clips.
        order: of the real clips, in place of the protocol's: the first ones of a sorted set of
            classes are of its first classes alone.
        frames: of a clip that are scored, from its beginning; None for all.
        stride: score every so many frames.
    """

    protocols: Sequence[str] = ("stylegan_v",)
    samples: int = 2048
    reference: Literal["train", "test"] = "train"
    order: Literal["sorted", "shuffled"] | None = None
    frames: int | None = None
    stride: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        check_samples(self.samples)
        if unknown := [name for name in self.protocols if name not in NAMES]:
            raise ValueError(f"protocols are {', '.join(NAMES)}, got {', '.join(unknown)}")
        if self.stride < 1:
            raise ValueError(f"stride must be 1 or more, got {self.stride}")

    def check(self, parts: Parts) -> None:
        check_videos(parts)
        there = len(range(0, parts.data.shape[1], self.stride))
        frames = self.frames or there
        check_split(parts.data, self.reference, 2, "FVD")
        for name in self.protocols:
            network = network_of(name)
            if frames > there or not network.reads(frames):
                raise ConfigError(
                    f"{name} needs {network.frames()}, eval.frames={self.frames} with stride "
                    f"{self.stride}, and {parts.data.name} has clips of {parts.data.shape[1]} "
                    f"frames: set eval.frames or data.frames, or choose eval=motion"
                )
            try:
                _find(network, cache_folder())
            except ValueError as error:
                raise ConfigError(
                    f"the scores of {name} cannot be computed: {error} Without published "
                    f"networks, eval=motion scores on a small classifier of motions, by other "
                    f"names."
                ) from error
        if INCEPTION in self.protocols and self.samples < PARTS:
            raise ConfigError(
                f"an inception score needs {PARTS} samples or more, one for each of its parts, "
                f"got {self.samples}"
            )

    @torch.no_grad()
    def score(self, parts: Parts, record: Record) -> None:
        if parts.prior is None:
            return
        measured = self._measured()
        self._read(parts, measured)
        for batch, _ in draw_share(parts, self.samples, self.seed, self.batch_size):
            for measure in _distinct(measured):
                measure.update(self._cut(batch["x"]), real=False)
        drawn = {
            "n": self.samples,
            "sampler": OmegaConf.to_container(parts.config.sampler),
            "network_calls": parts.prior.network_calls,
            "guidance": OmegaConf.to_container(parts.config.guidance),
        }
        self._add(parts, record, measured, "", **drawn)

    def _measured(self) -> dict[str, Measure]:
        made = measures(self.protocols, self.seed)
        return {name: measure.to(distributed.device()) for name, measure in made.items()}

    def _read(self, parts: Parts, measured: dict[str, Measure]) -> None:
        """Add the real clips of all protocols, each of which is read once."""
        chosen = {measure: set(self._chosen(parts, name)) for name, measure in measured.items()}
        for indices, batch in self._real(parts, sorted(set().union(*chosen.values()))):
            for measure, wanted in chosen.items():
                if rows := [row for row, index in enumerate(indices) if index in wanted]:
                    measure.update(self._cut(batch["x"][rows]), real=True)

    def _chosen(self, parts: Parts, name: str) -> list[int]:
        """Indices of the real clips of a protocol; an inception score has none."""
        if name == INCEPTION:
            return []
        total, how = len(parts.data.dataset_of(self.reference)), PROTOCOLS[name]
        shuffled = (self.order or how.order) == "shuffled"
        order = permutation(total, self.seed).tolist() if shuffled else list(range(total))
        return order if how.whole else order[: self.samples]

    def _real(self, parts: Parts, chosen: list[int]) -> Iterator[tuple[list[int], Batch]]:
        """Batches of this rank's share of these clips, with their indices."""
        mine = chosen[distributed.rank() :: distributed.world()]
        dataset = parts.data.dataset_of(self.reference)
        for cut in tracked("real clips", range(0, len(mine), self.batch_size)):
            indices = mine[cut : cut + self.batch_size]
            yield indices, dataset.__getitems__(indices)

    def _cut(self, x: Float[Tensor, "n c t h w"]) -> Float[Tensor, "n c _ h w"]:
        return x[:, :, :: self.stride][:, :, : self.frames]

    def _add(
        self,
        parts: Parts,
        record: Record,
        measured: dict[str, Measure],
        prefix: str,
        **more: Any,
    ) -> None:
        computed = {measure: measure.compute() for measure in _distinct(measured)}
        for name, measure in measured.items():
            found, facts = computed[measure]
            common = {
                "protocol_of": name,
                "frames": self.frames or len(range(0, parts.data.shape[1], self.stride)),
                "stride": self.stride,
                "clips": str(getattr(parts.data, "sampling", "as drawn")),
                "size": list(parts.data.shape[2:]),
                "seed": self.seed,
            }
            if name in PROTOCOLS:
                common |= {
                    "reference": self.reference,
                    "split_published": PROTOCOLS[name].split,
                    "order": self.order or PROTOCOLS[name].order,
                }
            named = {f"{prefix}{score}_{name}": value for score, value in found.items()}
            record.add(named, **common | facts | more)


@dataclass
class ReconstructionFVD(FVD):
    """Fréchet and kernel distance of reconstructions from their clips: `rfvd_<protocol>`, `rkvd_*`.

    All protocols score the same clips, `samples` of the split at random.
    """

    reference: Literal["train", "test"] = "test"

    @torch.no_grad()
    def score(self, parts: Parts, record: Record) -> None:
        measured, total = self._measured(), len(parts.data.dataset_of(self.reference))
        chosen = permutation(total, self.seed).tolist()[: self.samples]
        for _, read in self._real(parts, chosen):
            batch = to_device(read)
            reconstruction = parts.tokenizer.reconstruct(batch)[0]["x"].float()
            for measure in _distinct(measured):
                measure.update(self._cut(batch["x"]), real=True)
                measure.update(self._cut(reconstruction), real=False)
        facts = {"n": len(chosen), "posterior": "mode", "order": "shuffled"}
        self._add(parts, record, measured, "r", **facts)


def _distinct(measured: dict[str, Measure]) -> list[Measure]:
    """List each measure once, in the same order on all ranks."""
    return list(dict.fromkeys(measured.values()))


@cache
def _find(network: type[ClipExtractor], folder: Path) -> None:
    """Check that a network can be built, once per process."""
    network()
