"""Names and plain types of a configuration's arguments, against constructors of every form."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import pytest
import torch
from torch import nn

from ldm.bottlenecks import GroupedSphericalQuantizer
from ldm.conditioning import Labels
from ldm.config.signatures import ConfigError, check_arguments, check_type, suggest
from ldm.networks.images.dit import DiT
from ldm.networks.images.gsq import Encoder
from ldm.networks.points.su3_net import SU3Net
from ldm.processes import GaussianDiffusion
from ldm.samplers import Guidance, HeunODE
from ldm.training import PriorTraining, TokenizerTraining


class Base:
    def __init__(self, samples: int, rate: float = 0.1) -> None: ...


class Handing(Base):
    def __init__(self, weight: float, **common) -> None: ...


class Free(Base):
    def __init__(self, name: str, **numbers: float) -> None: ...


@dataclass
class Options:
    kind: Literal["fast", "slow"] = "fast"


@pytest.mark.parametrize(
    ("target", "given"),
    [
        (Base, {"samples": 3, "rate": 1}),
        (Handing, {"weight": 0.5, "samples": 3}),
        (Free, {"name": "x", "anything": 2}),
        (Options, {"kind": "slow"}),
        (torch.optim.AdamW, {"lr": 1e-3, "betas": [0.9, 0.99], "_partial_": True}),
        (nn.Conv2d, {"in_channels": 3, "kernel_size": [3, 3], "padding": "same"}),
    ],
)
def test_what_the_signature_takes_is_accepted(target, given):
    before = dict(given)
    check_arguments("place", target, given)
    assert given == before
    with pytest.raises(ConfigError, match=r"place\.\w+ must be "):
        check_arguments("place", target, {key: object() for key in given})


@pytest.mark.parametrize(
    ("target", "given", "message"),
    [
        (Base, {"sampels": 3}, r"unknown key 'place\.sampels': did you mean 'samples'\?"),
        (Handing, {"wieght": 1}, "did you mean 'weight'"),
        (Handing, {"sample": 1}, "did you mean 'samples'"),
        (Handing, {"samples": "many"}, r"place\.samples must be a whole number, got 'many'"),
        (Free, {"name": "x", "anything": "y"}, r"place\.anything must be a number, got 'y'"),
        (Options, {"kind": "medium"}, r"place\.kind must be one of fast, slow, got 'medium'"),
    ],
)
def test_what_it_does_not_take_is_refused_by_its_place(target, given, message):
    with pytest.raises(ConfigError, match=message):
        check_arguments("place", target, given)


@pytest.mark.parametrize(
    ("kind", "right", "wrong"),
    [
        (int, [0, -3], [True, 1.5, "1", None, [1]]),
        (float, [1, 1.5, float("inf")], [False, "1.5", None]),
        (bool, [True], [1, "yes"]),
        (str, ["", "x"], [1, None]),
        (float | None, [1.0, None], ["x"]),
        (int | str, ["auto", 2], [1.5]),
        (list[str], [[], ["a"]], ["a", [1]]),
        (Sequence[int], [[1, 2]], [[1.5], 3]),
        (Sequence[float | int], [[0, 0.5]], [["a"]]),
        (tuple[float, float], [[1, 2.0]], ["ab", [1], [1, 2, 3]]),
        (tuple[int, ...], [[], [1, 2, 3]], [[1.5], 2]),
        (dict[str, float], [{"a": 1}], [{"a": "b"}, [1]]),
        (nn.Module, [{"_target_": "x"}], [3, "x", None]),
        (nn.Module | None, [{"_target_": "x"}, None], [0.5]),
        (Callable[[int], int], [{"_target_": "x"}], ["x"]),
        (str | Path, ["x"], [1]),
    ],
)
def test_types_of_values_from_yaml(kind, right, wrong):
    for value in right:
        check_type("key", value, kind)
    for value in wrong:
        with pytest.raises(ConfigError, match=r"^key must be "):
            check_type("key", value, kind)


def test_functions_have_signatures_too():
    def function(a: int): ...

    check_arguments("", function, {"a": 1})
    with pytest.raises(ConfigError, match="unknown key 'b'"):
        check_arguments("", function, {"b": 1})
    check_arguments("", partial(function), {"a": 1})


def test_without_a_near_name_all_are_offered():
    assert suggest("zzz", ["alpha", "beta"]) == ": choose one of alpha, beta"
    assert suggest("zzz", []) == ""


@pytest.mark.parametrize(
    ("target", "name", "wrong", "words"),
    [
        (DiT, "heads", 0, "1 or more"),
        (DiT, "depth", 0, "1 or more"),
        (DiT, "width", 0, "1 or more"),
        (DiT, "patch", 0, "1 or more"),
        (Encoder, "blocks", -1, "0 or more"),
        (PriorTraining, "ema", -0.1, "between 0 and 1"),
        (TokenizerTraining, "bottleneck_weight", -1, "0 or more"),
        (TokenizerTraining, "bottleneck_weight", float("nan"), "0 or more"),
        (GroupedSphericalQuantizer, "beta", -1, "0 or more"),
        (Guidance, "scale", float("nan"), "a number"),
        (Guidance, "interval", [0.0, float("nan")], "a number"),
        (DiT, "shape", [4, 0, 8], "1 or more"),
        (Encoder, "multipliers", [1, -2], "1 or more"),
        (Encoder, "multipliers", [], "a list of 1 number or more"),
        (DiT, "shape", [], "a list of 1 number or more"),
        (Labels, "rate", 2, "between 0 and 1"),
        (Labels, "rate", float("nan"), "between 0 and 1"),
        (SU3Net, "dropout", 1.5, "between 0 and 1"),
        (HeunODE, "steps", 0, "1 or more"),
        (GroupedSphericalQuantizer, "groups", 0, "1 or more"),
        (GaussianDiffusion, "steps", -3, "1 or more"),
    ],
    ids=str,
)
def test_numbers_that_cannot_mean_anything_are_refused(target, name, wrong, words):
    with pytest.raises(ConfigError, match=rf"^part\.{name} must be {words}, got "):
        check_arguments("part", target, {name: wrong})


def test_ranges_are_of_our_own_classes():
    check_arguments("part", Free, {"name": "mine", "steps": -1})


def test_three_betas_are_refused():
    with pytest.raises(ConfigError, match=r"betas must be a list of 2, each a number.*got \[0\.9"):
        check_arguments("optimizer", torch.optim.AdamW, {"betas": [0.9, 0.99, 0.999]})
