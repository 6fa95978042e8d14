"""Texts that images are asked for by, and captions that name the classes of images."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data.files.errors import DataError
from data.images.captions import LONGEST, sound
from data.order import mix

__all__ = ["DIGITS", "ClassCaptions", "read_prompts"]


def read_prompts(text: Any) -> list[str]:
    """Read what images are asked for: one prompt, a list of them, or a file with one a line.

    Args:
        text: a prompt, or several; one that ends in `.txt` is the path of a file, whose empty lines
            are passed over.

    Raises:
        DataError: there is no such file, no prompt, or one that is no text or too long.

    Example:
        >>> read_prompts("a seven"), read_prompts(["a seven", 7])
        (['a seven'], ['a seven', '7'])
    """
    if isinstance(text, str) and text.endswith(".txt"):
        given = _lines(Path(text).expanduser())
    else:
        given = list(text) if isinstance(text, list | tuple) else [text]
    # YAML makes numbers of prompts such as 7.
    prompts = [str(one) if type(one) in (int, float) else one for one in given]
    bad = [one for one in prompts if not sound(one)]
    if bad or not prompts:
        raise DataError(
            f"a text to ask for has at most {LONGEST} bytes, got {bad[0] if bad else text!r}: give "
            f"a prompt, a list of prompts, or a .txt file with one a line"
        )
    return prompts


def _lines(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (ValueError, OSError) as error:
        raise DataError(f"{path} cannot be read as a file of prompts: {error}") from error
    return [line.strip() for line in lines if line.strip()]


@dataclass(frozen=True)
class ClassCaptions:
    """Captions that name an image's class, in one of several sentences.

    Attributes:
        names: of the classes.
        sentences: each with a gap, `{}`, for the name.

    Example:
        >>> ClassCaptions(("zero", "one"), ("a {}",)).of([1, 0], [0, 1])
        ['a one', 'a zero']
    """

    names: tuple[str, ...]
    sentences: tuple[str, ...]

    @property
    def width(self) -> int:
        """Bytes of the longest caption."""
        longest = max(len(name.encode()) for name in self.names)
        return longest + max(len(one.format("").encode()) for one in self.sentences)

    def of(self, labels: Sequence[int], indices: Sequence[int]) -> list[str]:
        """Caption images of these classes; which sentence is a function of the index alone."""
        drawn = mix(np.array(indices, np.uint64)) % np.uint64(len(self.sentences))
        rows = zip(labels, drawn.tolist(), strict=True)
        return [self.sentences[sentence].format(self.names[label]) for label, sentence in rows]


DIGITS = ClassCaptions(
    ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    ("a {}", "the digit {}", "a handwritten {}", "the number {}"),
)
"""Captions of digits."""
