"""Handwritten digits of 8 x 8 pixels, shipped with scikit-learn."""

import numpy as np
import torch

from data.images.base import Images, MemoryImages
from data.images.prompts import DIGITS

__all__ = ["Digits"]

TEST_SIZE = 360


class Digits(Images):
    """1,437 training and 360 test digits, in a fixed stratified split.

    These are the test set of "Optical recognition of handwritten digits" (Alpaydin and Kaynak,
    1998): grey, 17 levels from 0 to 16.

    Args:
        seed: seed of the sample order and the augmentation.
        workers: number of data loading processes.
        flip: mirror training images at random.
        captions: also name the digit in words, "a seven" or "the digit seven", as `text`.

    Example:
        >>> batch = next(iter(Digits().train_batches(0, 64, rank=0, world=1, batch_size=64)))
        >>> batch["x"].shape
        torch.Size([64, 1, 8, 8])
    """

    name = "digits"
    channels = 1
    size = 8
    class_names = tuple("0123456789")

    def __init__(
        self,
        seed: int = 0,
        workers: int = 0,
        flip: bool = False,
        captions: bool = False,
    ) -> None:
        super().__init__(seed, workers)
        self.flip = flip
        self.class_captions = DIGITS if captions else None

    def load(self, split: str) -> MemoryImages:
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split

        digits = load_digits()
        train, test = train_test_split(
            np.arange(len(digits.target)),
            test_size=TEST_SIZE,
            stratify=digits.target,
            random_state=0,
        )
        rows = np.sort(train if split == "train" else test)
        return MemoryImages(
            torch.from_numpy(digits.images[rows].astype(np.uint8)).unsqueeze(1),
            torch.from_numpy(digits.target[rows].astype(np.int64)),
            flip=self.flip and split == "train",
            white=16,
            captions=self.class_captions,
        )
