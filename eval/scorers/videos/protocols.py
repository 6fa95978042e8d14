"""Protocols of FVD by the papers that follow them, whose numbers do not compare."""

from collections.abc import Callable
from typing import Literal, NamedTuple

from jaxtyping import Float, UInt8
from torch import Tensor

from eval.extractors import I3D, ClipExtractor, ScriptedI3D, VideoMAE
from eval.metrics import frechet_distance, frechet_distance_svd, to_uint8, truncated

__all__ = ["FRECHET", "PROTOCOLS", "Protocol"]

FRECHET: dict[str, Callable[[Tensor, Tensor, Tensor, Tensor], Float[Tensor, ""]]] = {
    "eigenvalues, float64": frechet_distance,
    "singular values, float32": frechet_distance_svd,
}
"""Forms of the Fréchet distance, by what is recorded of them. The first equals SciPy's `sqrtm`
where that works, and also serves where clips are too few for a covariance of full rank."""


class Protocol(NamedTuple):
    """Settings of FVD that its number depends on.

    Attributes:
        network: whose features are compared.
        resize: see `ClipExtractor`.
        to_bytes: conversion of samples in [-1, 1]; real clips are bytes already.
        rounding: its name.
        order: real clips are the first of the split, or some of all at random.
        whole: real clips are the whole split, not as many as samples.
        frechet: a name in `FRECHET`.
        split: real clips in the papers.
    """

    network: type[ClipExtractor]
    resize: str
    to_bytes: Callable[[Float[Tensor, "*shape"]], UInt8[Tensor, "*shape"]]
    rounding: str
    order: Literal["sorted", "shuffled"]
    whole: bool
    frechet: str
    split: str


EIGENVALUES, SINGULAR_VALUES = FRECHET
NEAREST, DOWN = (to_uint8, "to nearest"), (truncated, "down")

PROTOCOLS: dict[str, Protocol] = {
    "stylegan_v": Protocol(
        ScriptedI3D, "network", *NEAREST, "sorted", False, EIGENVALUES,
        "train; of UCF-101 all 13,320 videos",
    ),
    "digan": Protocol(
        I3D, "cover", *DOWN, "shuffled", False, SINGULAR_VALUES,
        "train; of UCF-101 train and test",
    ),
    "pvdm": Protocol(
        I3D, "cover", *DOWN, "shuffled", False, SINGULAR_VALUES,
        "train; of UCF-101 its first list",
    ),
    "tats": Protocol(I3D, "squash", *DOWN, "shuffled", False, SINGULAR_VALUES, "train"),
    "lvdm": Protocol(I3D, "squash", *DOWN, "shuffled", False, SINGULAR_VALUES, "train"),
    "cd_fvd": Protocol(
        I3D, "square", *DOWN, "shuffled", True, EIGENVALUES,
        "train; of UCF-101 train and test",
    ),
    "cd_fvd_videomae": Protocol(
        VideoMAE, "square", *DOWN, "shuffled", True, EIGENVALUES,
        "train; of UCF-101 train and test",
    ),
    "tensorflow": Protocol(
        ScriptedI3D, "tf1", *NEAREST, "shuffled", False, SINGULAR_VALUES, "as given",
    ),
}  # fmt: skip
"""Protocols by name, of StyleGAN-V (Skorokhodov et al., 2022), DIGAN (Yu et al., 2022), PVDM (Yu et
al., 2023), TATS (Ge et al., 2022), LVDM (He et al., 2022), cd-fvd (Ge et al., 2024) on either of
its networks, and FVD's authors. They used TensorFlow's network, which the TorchScript equals but
for its resize."""
