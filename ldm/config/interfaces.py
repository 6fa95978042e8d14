"""Values that two parts must agree on, passed to constructors instead of repeated in configs."""

from collections.abc import Mapping
from typing import Any

from ldm.config.signatures import parameters
from ldm.config.validate import locate

__all__ = ["hand_over"]


def hand_over(node: Any, given: Mapping[str, Any]) -> Any:
    """Add values to a part's configuration, for the constructors that have parameters of this name.

    Nested parts are included: with `shape` given, every class below `node` whose constructor has a
    parameter `shape` receives it, unless the configuration sets it.

    Args:
        node: plain containers, with a `_target_` and perhaps nested ones.
        given: values by the names of constructor parameters.

    Example:
        >>> hand_over({"_target_": "ldm.spaces.Flat"}, {"shape": [4, 8, 8], "classes": 10})
        {'shape': [4, 8, 8], '_target_': 'ldm.spaces.Flat'}
    """
    if isinstance(node, list):
        return [hand_over(child, given) for child in node]
    if not isinstance(node, dict):
        return node
    whole = {key: hand_over(child, given) for key, child in node.items()}
    if "_target_" not in node:
        return whole
    taken = parameters(locate(node["_target_"]))[0]
    return {key: value for key, value in given.items() if key in taken} | whole
