"""FVD and KVD of sampled or reconstructed videos, by named protocols.

Source: Unterthiner et al., "Towards accurate generative models of video: a new metric and
challenges", 2018. KVD is the unbiased squared discrepancy of the kernel (a.b / 400 + 1)^3.
"""

import sys
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Float
from omegaconf import OmegaConf
from torch import Tensor, nn

from data import Batch
from data.files.roots import cache_folder
from data.order import permutation
from eval.extractors import I3D
from eval.extractors.videos.i3d_network import FEWEST_FRAMES
from eval.metrics import FrechetStatistics, KernelDistance, to_uint8
from eval.record import Record
from eval.scorers.scorer import BatchedScorer, check_samples, check_split, to_device
from eval.scorers.videos.motion import check_videos
from eval.scorers.videos.protocols import FRECHET, PROTOCOLS, Protocol
from ldm import distributed
from ldm.config.compose import ConfigError
from ldm.progress import tracked
from ldm.run.parts import Parts
from ldm.run.sampling import draw_share

__all__ = ["FVD", "ReconstructionFVD"]


@dataclass
class FVD(BatchedScorer):
    """Fréchet and kernel distance of samples from real clips: `fvd_<protocol>`, `kvd_<protocol>`.

    Real clips are those that the data reads in order: one clip a video, from a random frame that is
    a function of `data.data_seed`, unmirrored, where `data.clips=random`.

    Attributes:
        protocols: names in `PROTOCOLS`.
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
        if unknown := [name for name in self.protocols if name not in PROTOCOLS]:
            raise ValueError(f"protocols are {', '.join(PROTOCOLS)}, got {', '.join(unknown)}")
        if self.stride < 1:
            raise ValueError(f"stride must be 1 or more, got {self.stride}")

    def check(self, parts: Parts) -> None:
        check_videos(parts)
        there = len(range(0, parts.data.shape[1], self.stride))
        if not FEWEST_FRAMES <= (self.frames or there) <= there:
            raise ConfigError(
                f"FVD needs {FEWEST_FRAMES} frames or more, eval.frames={self.frames} with stride "
                f"{self.stride}, and {parts.data.name} has clips of {parts.data.shape[1]} frames: "
                f"set eval.frames or data.frames, or choose eval=motion"
            )
        check_split(parts.data, self.reference, 2, "FVD")
        for name in self.protocols:
            try:
                _find(PROTOCOLS[name].network, PROTOCOLS[name].resize, cache_folder())
            except ValueError as error:
                raise ConfigError(
                    f"the FVD of {name} cannot be computed: {error} Without I3D, eval=motion "
                    f"scores on a small classifier of motions, by other names."
                ) from error

    @torch.no_grad()
    def score(self, parts: Parts, record: Record) -> None:
        if parts.prior is None:
            return
        measured = self._measured()
        for name, distances in measured.items():
            for batch in self._real(parts, self._chosen(parts, PROTOCOLS[name])):
                distances.update(self._cut(batch["x"]), real=True)
        for batch, _ in draw_share(parts, self.samples, self.seed, self.batch_size):
            for distances in measured.values():
                distances.update(self._cut(batch["x"]), real=False)
        drawn = {
            "sampler": OmegaConf.to_container(parts.config.sampler),
            "network_calls": parts.prior.network_calls,
            "guidance": OmegaConf.to_container(parts.config.guidance),
        }
        self._add(parts, record, measured, "", **drawn)

    def _measured(self) -> dict[str, "_Distances"]:
        return {name: _Distances(name).to(distributed.device()) for name in self.protocols}

    def _chosen(self, parts: Parts, protocol: Protocol) -> list[int]:
        """Indices of the real clips of a protocol, in its order."""
        total = len(parts.data.dataset_of(self.reference))
        shuffled = (self.order or protocol.order) == "shuffled"
        order = permutation(total, self.seed).tolist() if shuffled else list(range(total))
        return order if protocol.whole else order[: self.samples]

    def _real(self, parts: Parts, chosen: list[int]) -> Iterator[Batch]:
        """Batches of this rank's share of these clips."""
        mine = chosen[distributed.rank() :: distributed.world()]
        dataset = parts.data.dataset_of(self.reference)
        for cut in tracked("real clips", range(0, len(mine), self.batch_size)):
            yield dataset.__getitems__(mine[cut : cut + self.batch_size])

    def _cut(self, x: Float[Tensor, "n c t h w"]) -> Float[Tensor, "n c _ h w"]:
        return x[:, :, :: self.stride][:, :, : self.frames]

    def _add(
        self,
        parts: Parts,
        record: Record,
        measured: dict[str, "_Distances"],
        prefix: str,
        **more: Any,
    ) -> None:
        for name, distances in measured.items():
            found, facts = distances.compute()
            facts |= {
                "protocol_of": name,
                "reference": self.reference,
                "split_published": PROTOCOLS[name].split,
                "order": self.order or PROTOCOLS[name].order,
                "frames": self.frames or len(range(0, parts.data.shape[1], self.stride)),
                "stride": self.stride,
                "clips": str(getattr(parts.data, "sampling", "as drawn")),
                "size": list(parts.data.shape[2:]),
                "seed": self.seed,
            }
            named = {f"{prefix}{score}_{name}": value for score, value in found.items()}
            record.add(named, **facts | more)


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
        for batch in map(to_device, self._real(parts, chosen)):
            reconstruction = parts.tokenizer.reconstruct(batch)[0]["x"].float()
            for distances in measured.values():
                distances.update(self._cut(batch["x"]), real=True)
                distances.update(self._cut(reconstruction), real=False)
        self._add(parts, record, measured, "r", posterior="mode", order="shuffled")


class _Distances(nn.Module):
    """Fréchet and kernel distance of clips by one protocol."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.how = PROTOCOLS[name]
        self.extractor = I3D(self.how.network, self.how.resize)
        self.real, self.fake = (FrechetStatistics(self.extractor.feature_size) for _ in range(2))
        self.kernel = KernelDistance(subsets=1, subset_size=sys.maxsize)  # of all clips

    def update(self, x: Float[Tensor, "n c t h w"], *, real: bool) -> None:
        """Add clips in [-1, 1]; real ones were bytes, which are recovered whatever the rounding."""
        x = x.to(distributed.device())
        features = self.extractor(to_uint8(x) if real else self.how.to_bytes(x)).pooled
        (self.real if real else self.fake).update(features)
        self.kernel.update(features, real=real)

    def compute(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Compute `fvd` and `kvd`, equal on every rank, and what they depend on."""
        real, fake = self.real.compute(), self.fake.compute()
        form, n, size = self.how.frechet, min(real.n, fake.n), self.extractor.feature_size
        if n <= size:
            form += f"; covariances of {n} clips lack full rank in {size} dimensions"
            if distributed.rank() == 0:
                warnings.warn(
                    f"FVD of {n} clips tells little: papers take 2,048, and fewer than {size + 1} "
                    f"leave covariances without full rank",
                    stacklevel=2,
                )
        distance = FRECHET[self.how.frechet](*real[:2], *fake[:2])
        facts = {
            "n": fake.n,
            "n_reference": real.n,
            "pixels": f"bytes, rounded {self.how.rounding}",
            "frechet": form,
            **self.extractor.protocol,
        }
        return {"fvd": distance, "kvd": self.kernel.compute()["mean"]}, facts


@cache
def _find(network: Literal["torchscript", "port"], resize: str, folder: Path) -> None:
    """Check that I3D can be built, once per process."""
    I3D(network, resize)
