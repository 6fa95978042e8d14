"""Numbers that two parts must agree on, written once and handed over by whoever builds them."""

from collections.abc import Mapping
from typing import Any

from ldm.config.signatures import parameters
from ldm.config.validate import locate

__all__ = ["hand_over"]


def hand_over(node: Any, given: Mapping[str, Any]) -> Any:
    """A part's configuration with what it leaves out and what its classes take by these names.

    Nested parts are looked at, too: with `shape` given, every class below `node` whose constructor
    has a parameter `shape` is told it, unless the configuration says otherwise.

    Args:
        node: plain, with a `_target_` and perhaps nested ones.
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
