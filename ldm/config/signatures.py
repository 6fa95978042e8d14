"""Checks of a configuration's arguments against the signatures of its targets."""

import difflib
import inspect
import math
import types
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, Union, get_args, get_origin

__all__ = [
    "ConfigError",
    "check_arguments",
    "check_type",
    "parameters",
    "refuse_unknown",
    "suggest",
]

HYDRA_KEYS = {"_target_", "_partial_", "_args_", "_convert_"}
ANY = inspect.Parameter.empty

COUNTS = (
    "channels circles codes condition degree depth frequencies groups heads "
    "in_channels levels mlp_ratio multipliers out_channels patch shape steps vocabulary "
    "width widths window"
)
COUNTS_OR_NONE = (
    "beta blocks bottleneck_weight classes corrections eta layers middle_blocks warmup weight_decay"
)
RANGES = {
    **dict.fromkeys(COUNTS.split(), (1, math.inf)),
    **dict.fromkeys(COUNTS_OR_NONE.split(), (0, math.inf)),
    **dict.fromkeys(["decay", "dropout", "ema", "momentum", "rate"], (0, 1)),
}
"""Smallest and largest values that arguments of our own classes may have, by their names."""
NOT_EMPTY = {"multipliers", "shape"}


class ConfigError(ValueError):
    """A configuration is wrong; the message states where, and what is valid."""


def check_arguments(place: str, target: Callable, given: Mapping[str, Any]) -> None:
    """Check names and plain types of keyword arguments.

    Raises:
        ConfigError: with the place, and the nearest valid name, the expected type or range.
    """
    kinds, rest = parameters(target)
    names = given.keys() - HYDRA_KEYS
    if rest is None:
        refuse_unknown(place, [name for name in given if name in names], kinds)
    for name in names:
        check_type(f"{place}.{name}", given[name], kinds.get(name, rest))
        if target.__module__.startswith("ldm."):
            if name in NOT_EMPTY and given[name] == []:
                raise ConfigError(f"{place}.{name} must be a list of 1 number or more, got []")
            _check_range(f"{place}.{name}", given[name], *RANGES.get(name, (-math.inf, math.inf)))


def check_type(place: str, value: Any, kind: Any) -> None:
    """Check the type of a value from YAML: a number, string, list, or node with a `_target_`.

    Raises:
        ConfigError: the value has another type.
    """
    if not _fits(value, kind):
        raise ConfigError(f"{place} must be {_words(kind)}, got {value!r}")


def _check_range(place: str, value: Any, low: float, high: float) -> None:
    numbers = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
    if any(isinstance(one, int | float) and not low <= one <= high for one in numbers):
        words = f"between {low} and {high}" if high < math.inf else f"{low} or more"
        words = "a number" if low == -math.inf else words  # NaN is none
        raise ConfigError(f"{place} must be {words}, got {value!r}")


def refuse_unknown(place: str, given: Iterable[str], known: Iterable[str]) -> None:
    """Refuse names that are not among the known ones.

    Raises:
        ConfigError: with the nearest known name.
    """
    known = [name for name in known if not name.startswith("_")]
    for key in given:
        if key not in known:
            full = f"{place}.{key}" if place else key
            raise ConfigError(f"unknown key {full!r}{suggest(key, known)}")


def suggest(wrong: str, known: Iterable[str]) -> str:
    """Phrase for an error message: the nearest known name, or all of them if none is near."""
    known = [str(name) for name in known]
    near = difflib.get_close_matches(wrong, known, n=1, cutoff=0.5)
    if near:
        return f": did you mean {near[0]!r}?"
    return f": choose one of {', '.join(known[:30])}" if known else ""


def parameters(target: Callable) -> tuple[dict[str, Any], Any]:
    """Types of a callable's named parameters, and of any other keywords; None if it takes none."""
    kinds: dict[str, Any] = {}
    for one in target.__mro__ if inspect.isclass(target) else [target]:
        own = inspect.signature(one).parameters.values()
        named = {p.name: p.annotation for p in own if p.kind != p.VAR_KEYWORD}
        kinds = named | kinds
        rest = [p.annotation for p in own if p.kind == p.VAR_KEYWORD]
        if not rest:
            return kinds, None
        # `**options: float` takes any name; an untyped `**more` passes names to the next class.
        if rest[0] is not ANY:
            return kinds, rest[0]
    return kinds, ANY


def _fits(value: Any, kind: Any) -> bool:
    origin, inner = get_origin(kind), get_args(kind)
    if kind in (ANY, Any) or isinstance(kind, str):
        return True
    if origin in (Union, types.UnionType):
        return any(_fits(value, one) for one in inner)
    if origin is Literal:
        return value in inner
    if kind is None or kind is types.NoneType:
        return value is None
    if kind in (int, float):
        return isinstance(value, (int, kind)) and not isinstance(value, bool)
    if kind in (str, bool):
        return isinstance(value, kind)
    if origin in (list, tuple, Sequence):
        elements = [one for one in inner if one is not ...]
        if not isinstance(value, Sequence) or isinstance(value, str):
            return False
        paired = origin is tuple and ... not in inner
        return _all(value, elements) and len(value) == (len(inner) if paired else len(value))
    if origin in (dict, Mapping):
        return isinstance(value, Mapping) and _all(value.values(), inner[1:])
    # Everything else is an object: built from a node with a `_target_`, or found by a path.
    return not isinstance(value, str | int | float | None) or "PathLike" in str(kind)


def _all(values: Iterable[Any], kinds: Sequence[Any]) -> bool:
    return not kinds or all(any(_fits(value, kind) for kind in kinds) for value in values)


def _words(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(str(one) for one in get_args(kind))
    if get_origin(kind) in (Union, types.UnionType):
        return " or ".join(_words(one) for one in get_args(kind))
    plain = {int: "a whole number", float: "a number", str: "a string", bool: "true or false"}
    names = {**plain, types.NoneType: "null", None: "null"}
    home = get_origin(kind) or kind
    if home in (list, tuple, Sequence):
        elements = " or ".join(_words(one) for one in dict.fromkeys(get_args(kind)))
        paired = home is tuple and elements and ... not in get_args(kind)
        number = f" of {len(get_args(kind))}" if paired else ""
        return f"a list{number}, each {elements}" if elements else "a list"
    if home in (dict, Mapping):
        return "a mapping"
    return names.get(kind) or f"what has a _target_ ({getattr(home, '__name__', home)})"
