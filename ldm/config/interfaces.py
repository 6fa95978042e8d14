"""Values that two parts must agree on, passed to constructors instead of repeated in configs."""

from collections.abc import Mapping
from typing import Any

from ldm.config.signatures import parameters
from ldm.config.validate import locate

__all__ = ["hand_over"]


def hand_over(node: Any, given: Mapping[str, Any]) -> Any:
    """Add values to a part's configuration, for the constructors that have parameters of this name.

    Nested parts are included: with `shape` given, every class below `node` whose constructor has a
    parameter `shape` receives it, unless the configuration sets it. A class whose parts meet other
    sizes than itself says so by a static method `hands(node, given)`, which returns the values for
    the nodes inside its own.

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
    target = locate(node["_target_"]) if "_target_" in node else None
    inside = target.hands(node, given) if hasattr(target, "hands") else given
    whole = {key: hand_over(child, inside) for key, child in node.items()}
    if target is None:
        return whole
    taken = parameters(target)[0]
    return {key: value for key, value in given.items() if key in taken} | whole
