"""How sampled videos move and change over time, beside how real ones do."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float64, UInt8
from omegaconf import OmegaConf
from torch import Tensor

from data.videos.base import Videos
from eval.metrics import to_uint8
from eval.metrics.videos import brightness, contrast, late_change, speed_distance, speeds
from eval.record import Record
from eval.scorers.drawn import drawn_samples
from eval.scorers.scorer import BatchedScorer, check_samples, check_split
from ldm import distributed
from ldm.config.compose import ConfigError
from ldm.run.parts import Parts

__all__ = ["Motion", "check_videos"]

Clips = UInt8[Tensor, "n c t h w"]


@dataclass
class Motion(BatchedScorer):
    """Compares speeds of sampled clips with those of real ones, and how both change over time.

    `speed_w1`, the Wasserstein-1 distance between the speeds of all steps from frame to frame of
    samples and of the reference, pixels a frame, beside `speed_w1_floor`, that of the train split
    from it; `speed` and `speed_real`, their means. Of brightness and contrast, in levels of 255,
    from the first quarter of a clip to the last: `brightness_drift`, the mean change, and
    `brightness_change`, the mean size of the change; each with `_real`.

    Attributes:
        samples: number of samples drawn; of the splits as many are taken, at random.
        reference: split that samples are compared with.
    """

    samples: int = 1000
    reference: Literal["train", "test"] = "test"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_samples(self.samples)

    def check(self, parts: Parts) -> None:
        check_videos(parts)
        if parts.data.shape[1] < 2:
            raise ConfigError("clips of one frame do not move: set data.frames to 2 or more")
        check_split(parts.data, self.reference, 1, "the comparison of speeds")

    @torch.no_grad()
    def score(self, parts: Parts, record: Record) -> None:
        if parts.prior is None:
            return
        data, splits = parts.data, {}
        for split in {self.reference, "train"}:
            splits[split] = to_uint8(self.subset(data, split, self.samples)["x"])
        real = splits[self.reference]
        fake = to_uint8(drawn_samples(parts, record, self.samples, self.seed, self.batch_size)["x"])
        speed, speed_real, speed_train = (
            self._measured(speeds, clips) for clips in (fake, real, splits["train"])
        )
        found = {
            "speed_w1": speed_distance(speed, speed_real),
            "speed": speed.mean(),
            "speed_real": speed_real.mean(),
        }
        if self.reference != "train":
            found["speed_w1_floor"] = speed_distance(speed_train, speed_real)
        for name, statistic in {"brightness": brightness, "contrast": contrast}.items():
            for end, clips in {"": fake, "_real": real}.items():
                change = late_change(self._measured(statistic, clips))
                found |= {f"{name}_drift{end}": change.mean()}
                found |= {f"{name}_change{end}": change.abs().mean()}
        record.add(found, **self._protocol(parts, len(real)))

    def _measured(
        self, statistic: Callable[[Tensor], Tensor], clips: Clips
    ) -> Float64[Tensor, "n _"]:
        """Compute a statistic of frames on this process's device, batch by batch."""
        device = distributed.device()
        return torch.cat([statistic(x.to(device)).cpu() for x in clips.split(self.batch_size)])

    def _protocol(self, parts: Parts, n_reference: int) -> dict[str, Any]:
        return {
            "n": self.samples,
            "reference": self.reference,
            "n_reference": n_reference,
            "frames": parts.data.shape[1],
            "speed": "shift of the greatest correlation between consecutive frames, pixels",
            "sampler": OmegaConf.to_container(parts.config.sampler),
            "network_calls": parts.prior.network_calls,
            "guidance": OmegaConf.to_container(parts.config.guidance),
            "seed": self.seed,
            "pixels": "bytes",
        }


def check_videos(parts: Parts) -> None:
    """Refuse data that are no videos.

    Raises:
        ConfigError: they are something else.
    """
    if not isinstance(parts.data, Videos):
        raise ConfigError(
            f"{parts.data.name} holds no videos: choose another eval, such as eval=classifier"
        )
