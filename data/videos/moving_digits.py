"""Moving digits: clips made by the rule of Moving MNIST, each a function of its index."""

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float32, Int64, UInt8, UInt64
from torch import Tensor
from torch.nn.functional import interpolate

from data.files.errors import DataError
from data.images.base import Images
from data.images.pixels import PixelDataset
from data.order import Draw, mix
from data.values import check_positive, check_seed
from data.videos.base import Videos

__all__ = ["MovingDigits", "paths"]

CLIP, WALL = 7, 8  # stream ids that keep hashes for starts and for walls apart


class MovingDigits(Videos):
    """Clips of one or two handwritten digits that move over black and bounce off the walls.

    The generator of Denton and Fergus, "Stochastic video generation with a learned prior", 2018:
    digits of half the canvas' side start anywhere, at whole speeds of up to `speed` pixels a frame
    in both directions. At a wall the speed is reflected, or drawn anew where `stochastic`. Where
    digits overlap, their brightness is added. Clip `i` of a split is a function of `data_seed` and
    `i` alone, and digits of the test split are not in the train split.

    Args:
        source: square digits, such as `Digits` or `MNIST`, enlarged or reduced to half of `size`.
        digits: number of digits, 1 or 2. One digit has a label, its class; two have none.
        size: side of the canvas, pixels; even.
        frames: of a clip.
        speed: largest speed in each direction, pixels a frame; 4 in the paper, at size 64.
        stochastic: draw a new speed at a wall.
        clips: number of training clips.
        test_clips: number of test clips.
        data_seed: seed of all clips.
        seed: seed of the sample order.
        workers: number of data loading processes.

    Raises:
        DataError: a number is out of range.

    Example:
        >>> from data import Digits
        >>> MovingDigits(Digits(), digits=1, size=32).test_dataset.__getitems__([0, 1])["x"].shape
        torch.Size([2, 1, 16, 32, 32])
    """

    channels = 1

    def __init__(
        self,
        source: Images,
        digits: int = 2,
        size: int = 64,
        frames: int = 16,
        speed: int = 4,
        stochastic: bool = False,
        clips: int = 10_000,
        test_clips: int = 1_000,
        data_seed: int = 0,
        seed: int = 0,
        workers: int = 0,
    ) -> None:
        super().__init__(seed, workers)
        check_positive(frames=frames, clips=clips, test_clips=test_clips, speed=speed)
        check_seed(data_seed=data_seed)
        if digits not in (1, 2):
            raise DataError(f"1 digit or 2 move, got {digits}")
        if size < 4 or size % 2:
            raise DataError(f"the side of the canvas must be even and 4 or more, got {size}")
        if speed > size // 2:
            raise DataError(f"speed must be at most half of size, {size // 2}, got {speed}")
        self.source, self.digits, self.size, self.frames = source, digits, size, frames
        self.speed, self.stochastic, self.data_seed = speed, stochastic, data_seed
        self.counts = {"train": clips, "test": test_clips}
        self.class_names = source.class_names if digits == 1 else ()

    @property
    def name(self) -> str:
        return f"moving {self.source.name}"

    def prepare_data(self) -> None:
        """Fetch the digits."""
        self.source.prepare_data()

    def load(self, split: str) -> "MovingClips":
        from_source = self.source.dataset_of(split)
        still = from_source.__getitems__(range(len(from_source)))
        side = (self.size // 2,) * 2
        bank = interpolate(still["x"], side, mode="bilinear", antialias=True)
        levels = (bank.mean(1) * 127.5 + 128).clamp(0, 255).byte()
        settings = (self.speed, self.stochastic, self.data_seed, split == "test")
        return MovingClips(
            levels, still["label"], self.counts[split], self.digits, self.frames, settings
        )


class MovingClips(PixelDataset):
    """Clips that are drawn on access.

    Args:
        levels: the digits.
        classes: of the digits.
        clips: number of clips.
        digits: number of digits in a clip.
        frames: of a clip.
        rule: largest speed, whether it is drawn anew at a wall, seed, and whether these are the
            test clips.
    """

    def __init__(
        self,
        levels: UInt8[Tensor, "n side side"],
        classes: Int64[Tensor, " n"],
        clips: int,
        digits: int,
        frames: int,
        rule: tuple[int, bool, int, bool],
    ) -> None:
        self.levels, self.classes = levels.numpy(), classes.numpy()
        self.digits, self.frames, self.rule = digits, frames, rule
        chosen = self._chosen(self._keys(np.arange(clips)))
        alone = digits == 1
        labels = self.classes[chosen[:, 0]] if alone else np.full(clips, -1)
        super().__init__(torch.from_numpy(labels.astype(np.int64)))

    def pixels(
        self, index: Int64[Tensor, " b"], draws: Sequence[Draw]
    ) -> Float32[Tensor, "b 1 t h w"]:
        speed, stochastic, *_ = self.rule
        keys, side = self._keys(index.numpy()), self.levels.shape[-1]
        corners = paths(keys.ravel(), self.frames, side, speed, stochastic)
        chosen = self._chosen(keys).ravel()
        canvas = np.zeros((len(index), self.frames, 2 * side, 2 * side), np.uint16)
        for row, (digit, path) in enumerate(zip(chosen, corners.tolist(), strict=True)):
            clip = canvas[row // self.digits]
            for frame, (top, left) in zip(clip, path, strict=True):
                frame[top : top + side, left : left + side] += self.levels[digit]
        levels = canvas.clip(max=255).astype(np.float32)
        return torch.from_numpy(levels).div_(127.5).sub_(1).unsqueeze(1)

    def digest(self) -> str:
        options = f"{self.digits} {self.frames} {self.rule} {len(self)}"
        digest = hashlib.sha256(options.encode())
        digest.update(self.levels)
        digest.update(self.classes)
        return digest.hexdigest()

    def _keys(self, index: Int64[np.ndarray, " b"]) -> UInt64[np.ndarray, "b digits"]:
        """A hash for each digit of these clips, on which all about it depends."""
        *_, seed, test = self.rule
        return mix(seed, CLIP, test, index[:, None], np.arange(self.digits))

    def _chosen(self, keys: UInt64[np.ndarray, "b digits"]) -> Int64[np.ndarray, "b digits"]:
        """Row of the digit that moves."""
        return _whole(0, len(self.classes) - 1, keys, 4)


def paths(
    keys: UInt64[np.ndarray, " n"], frames: int, room: int, speed: int, stochastic: bool = False
) -> Int64[np.ndarray, "n frames 2"]:
    """Top left corners, row then column, of things that move in a square and bounce off its walls.

    Args:
        keys: which start and speed are a function of.
        frames: number of corners of each.
        room: numbers of rows and of columns that a corner may have.
        speed: largest speed in each direction, pixels a frame; a start may be at rest.
        stochastic: draw a new speed at a wall, away from it and any along it.

    Example: of a thing that stays where it is.
        >>> paths(np.zeros(1, np.uint64), frames=2, room=1, speed=1)
        array([[[0, 0],
                [0, 0]]])
    """
    at = np.stack([_whole(0, room - 1, keys, axis) for axis in (0, 1)], 1)
    pace = np.stack([_whole(-speed, speed, keys, 2 + axis) for axis in (0, 1)], 1)
    corners = np.empty((len(keys), frames, 2), np.int64)
    for frame in range(frames):
        for axis in (0, 1):  # both may be reflected in one frame, the row first
            before, beyond = at[:, axis] < 0, at[:, axis] >= room
            hit = before | beyond
            at[:, axis] = at[:, axis].clip(0, room - 1)
            away = -pace[:, axis]
            if stochastic:
                away = np.where(before, 1, -1) * _whole(1, speed, keys, WALL, frame, axis, 0)
                along = _whole(-speed, speed, keys, WALL, frame, axis, 1)
                pace[:, 1 - axis] = np.where(hit, along, pace[:, 1 - axis])
            pace[:, axis] = np.where(hit, away, pace[:, axis])
        corners[:, frame] = at
        at += pace
    return corners


def _whole(low: int, high: int, *numbers: int | np.ndarray) -> Int64[np.ndarray, "*shape"]:
    """Draw whole numbers between two, both included, by hashing numbers."""
    return (mix(*numbers) % np.uint64(high - low + 1)).astype(np.int64) + low
