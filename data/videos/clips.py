"""Datasets of clips that are cut out of longer videos."""

import hashlib
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Int64
from PIL import Image
from torch import Tensor

from data.images.crop import Crop
from data.images.pixels import PixelDataset
from data.order import Draw, mix
from data.videos.jitter import Jitter
from data.videos.sampling import Sampling
from data.videos.squash import Squash

__all__ = ["Clips"]


class Clips(PixelDataset):
    """Clips of videos of any length, each frame resized and cropped to one size.

    A clip that is sampled at random is a function of the seed of its draw; read in order, of
    `data_seed` and its index.

    Args:
        counts: frames of each video.
        labels: class of each video; -1 if there are no classes.
        sampling: which frames a clip has.
        crop: brings a frame to its size.
        channels: 1 for grey, 3 for colour.
        data_seed: of clips read in order.
        jitter: changes the colours of the clips of draws; None to leave them.
        flip, captions, width: as for `PixelDataset`; captions are of videos.
    """

    def __init__(
        self,
        counts: Int64[np.ndarray, " videos"],
        labels: Int64[Tensor, " videos"],
        sampling: Sampling,
        crop: Crop | Squash,
        channels: int = 3,
        data_seed: int = 0,
        jitter: Jitter | None = None,
        flip: bool = False,
        captions: Sequence[str] = (),
        width: int = 0,
    ) -> None:
        self.counts, self.places = counts, sampling.places(counts)
        videos = self.places[:, 0]
        texts = [captions[video] for video in videos] if captions else ()
        super().__init__(labels[videos], flip, texts, width)
        self.sampling, self.crop, self.channels = sampling, crop, channels
        self.data_seed, self.jitter = data_seed, jitter

    @abstractmethod
    def read(self, video: int, numbers: Sequence[int]) -> Sequence[Image.Image]:
        """Read frames of a video, grey or in colour as `channels` says, by ascending numbers."""

    @abstractmethod
    def source(self) -> Any:
        """Bytes, or what is printed, that identify the videos."""

    def numbers(self, draw: Draw) -> tuple[int, Int64[np.ndarray, " frames"]]:
        """The video of a clip, and the numbers of its frames."""
        video, start = self.places[draw.index].tolist()
        key = int(mix(self.data_seed, draw.index)[0]) if draw.seed is None else draw.seed
        return video, self.sampling.numbers(int(self.counts[video]), start, key)

    def pixels(
        self, index: Int64[Tensor, " b"], draws: Sequence[Draw]
    ) -> Float32[Tensor, "b c t h w"]:
        size = (self.sampling.frames, *self.crop.size)
        out = np.empty((len(draws), *size, self.channels), np.float32)
        for clip, i, draw in zip(out, index.tolist(), draws, strict=True):
            video, numbers = self.numbers(Draw(i, draw.seed))
            frames = self.read(video, numbers.tolist())
            for row, frame in zip(clip, frames, strict=True):
                levels = np.asarray(self.crop(frame), np.float32)
                white = 1 if frame.mode == "F" else 255
                row[:] = levels.reshape(row.shape) * np.float32(2 / white) - 1
        x = torch.from_numpy(out.clip(-1, 1)).permute(0, 4, 1, 2, 3).contiguous()
        for clip, draw in zip(x, draws, strict=True):
            if self.jitter is not None and draw.seed is not None:
                clip.copy_(self.jitter(clip, draw.seed))
        return x

    def digest(self) -> str:
        options = f"{self.sampling} {self.crop} {self.channels} {self.flip} {self.data_seed} "
        options += f"{self.jitter} " if self.jitter is not None else ""
        digest = hashlib.sha256(options.encode())
        source = self.source()
        digest.update(source if isinstance(source, bytes) else str(source).encode())
        digest.update(self.labels.numpy())
        digest.update(self.captions.tobytes())
        return digest.hexdigest()
