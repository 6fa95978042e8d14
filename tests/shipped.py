"""Helpers of the tests of shipped configurations: their data, without its files, and counts."""

import re
from pathlib import Path

from data.images.listing import Listing

# What a tokenizer or prior of the papers is for, where an experiment does not say.
IMAGES = ["data=imagenet256", "run=runs/test", "eval=classifier"]


def count(module):
    return sum(p.numel() for p in module.parameters())


def splits_without_files(self):
    """One image with a caption in each split, which no test reads."""
    return dict.fromkeys(("train", "test"), Listing(Path(self.root), ["1.png"], [], ["a word"]))


# Backbones of published sizes.
SIZED = re.compile(r"((?:space_time_)?(?:dit|lightningdit))_(\w+)_(\d)")
