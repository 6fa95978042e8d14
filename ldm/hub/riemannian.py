"""Convert state dicts of published score, drift and velocity networks on manifolds to ours.

Names and layouts change, values never. Parameter names are those in the published weights of De
Bortoli et al. 2022 (Haiku), Lou et al. 2023 (earth events), Jo and Hwang 2024, and Chen and Lipman
2024. Output scaling and processes are not in those files: the experiments configure them.
"""

import re
from collections.abc import Mapping

from torch import Tensor, nn

__all__ = ["mlp_from_published", "time_mlp_from_averages", "time_mlp_from_published"]

# func.0.weight, layer.linears.0.weight, or Haiku's mlp/~/linear/w, mlp/~/linear_1/w, ...
LAYER = re.compile(r"(?:.*[./])?(?:func|linears?)[._]?(\d*)[./](weight|bias|w|b)")
TIMED = re.compile(r"(?:.*\.)?layers\.(\d+)\.module\.(.+)")
TIMED_PARTS = {"_layer": "linear", "_hyper_bias": "time", "beta": "beta"}
SHADOW = re.compile(r"(?:.*\.)?shadow_params\.(\d+)")


def mlp_from_published(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert a perceptron to the state of a `ldm.networks.points.mlp.MLP`.

    Both read the point, then the time.

    Args:
        state: parameters of the linear layers. Haiku's, whose matrices are transposed, must be
            flattened to one level of names. The forward and backward networks of a mixture (a
            `Pair` here) are two states.

    Raises:
        ValueError: a name does not belong to a linear layer.
    """
    layers: dict[int, dict[str, Tensor]] = {}
    for key, x in state.items():
        number, part = _match(LAYER, key)
        name = {"w": "weight", "b": "bias"}.get(part, part)
        layers.setdefault(int(number or 0), {})[name] = x.mT if part == "w" else x
    names = ["stem", *(f"blocks.{k}.1" for k in range(len(layers) - 2)), "head.1"]
    return {
        f"{name}.{part}": x
        for name, number in zip(names, sorted(layers), strict=True)
        for part, x in layers[number].items()
    }


def time_mlp_from_published(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert a time-conditioned perceptron to the state of a `ldm.networks.points.TimeMLP`.

    Args:
        state: `...layers.{i}.module.*`, linear layers at even i and their swish activations at odd
            i; other entries, such as averages, are ignored.

    Raises:
        ValueError: there are no such layers.
    """
    found = {key: parts.groups() for key in state if (parts := TIMED.fullmatch(key))}
    if not found:
        raise ValueError(f"no name is like 'layers.0.module._layer.weight': found {_some(state)}")
    last = max(int(number) for number, _ in found.values())
    ours = {}
    for key, (number, name) in found.items():
        part, _, rest = name.partition(".")
        place = "head" if int(number) == last else f"blocks.{int(number) // 2}"
        ours[f"{place}.{TIMED_PARTS[part]}.{rest}"] = state[key]
    return ours


def time_mlp_from_averages(state: Mapping[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """Convert averaged weights, stored by number without names, to the state of a `TimeMLP`.

    Args:
        state: averages under `...shadow_params.{j}`.
        model: a `TimeMLP`; its parameters are in the published order.

    Raises:
        ValueError: the number of averages differs from the number of parameters.
    """
    found = {int(n[1]): x for key, x in state.items() if (n := SHADOW.fullmatch(key))}
    names = [name for name, _ in model.named_parameters()]
    if sorted(found) != list(range(len(names))):
        raise ValueError(f"the model has {len(names)} parameters, found {len(found)} averages")
    return {name: found[j] for j, name in enumerate(names)}


def _match(pattern: re.Pattern, key: str) -> tuple[str, ...]:
    found = pattern.fullmatch(key)
    if found is None:
        raise ValueError(f"{key!r} is not a parameter of a linear layer: leave it out")
    return found.groups()


def _some(state: Mapping[str, Tensor]) -> str:
    return ", ".join(list(state)[:3]) or "nothing"
