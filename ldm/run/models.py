"""Building tokenizers and priors, with sizes passed between parts that must agree."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from torch import nn

from data import DataModule
from ldm.conditioning import Conditioning
from ldm.config.compose import ConfigError
from ldm.config.lineage import foundation, lineage
from ldm.config.signatures import parameters
from ldm.config.validate import locate
from ldm.priors import Prior
from ldm.randomness import fold
from ldm.run.parts import build_part, reader, told_readers
from ldm.run.rehearsal import on_meta
from ldm.spaces import Flat, Space
from ldm.tokenizers import Identity, Tokenizer

__all__ = ["build_models", "build_prior", "build_tokenizer"]

OF_LATENTS = {"invariant"}
"""Numbers of which latents after a bottleneck may have others than data."""


def build_models(
    config: DictConfig, data: DataModule, stages: list[str], device: str = "cpu"
) -> dict[str, nn.Module]:
    """Build the models of stages and their dependencies, each once and untrained.

    Initial weights depend only on the experiment's seed, not on the other models.

    Args:
        config: of the experiment.
        data: data module; only its shapes and classes are read, no samples.
        stages: names, see `lineage`.
        device: of the networks; "meta" for shapes and counts alone.

    Raises:
        ConfigError: parts do not fit together or to the data, or a stage is not a model.
    """
    models: dict[str, nn.Module] = {}
    for name in lineage(config, *stages):
        torch.manual_seed(fold(config.seed))
        below = foundation(config, name)
        on = None if below is None else reader(config, models, below)
        _check_interface(config, name, data)
        kind = locate(config[name]["_target_"], name)
        if issubclass(kind, Prior):
            others = told_readers(config, models, name)
            models[name] = build_prior(config, name, data, on, others, device)
        elif issubclass(kind, Tokenizer):
            models[name] = build_tokenizer(config, name, data, on, device)
        else:
            raise ConfigError(f"{name}._target_ must be a Tokenizer or a Prior, got {kind}")
    return models


def build_tokenizer(
    config: DictConfig, name: str, data: DataModule, on: Tokenizer | None, device: str = "cpu"
) -> Tokenizer:
    """Build a tokenizer, passing each part the sizes that follow from the others.

    The encoder receives the shape of the data and the bottleneck's input channels; the decoder the
    channels of the latents, the shape of the data, and the encoder's arguments that it does not set
    itself; both `latent_shape`, and `<key>_shape` of what is in the context of samples; a
    bottleneck with channels only receives the encoder's grid. A tokenizer without these parts
    receives the shape of the data. All receive the numbers of the data, see `DataModule.interface`.

    Raises:
        ConfigError: encoder, bottleneck, decoder and data do not fit together.
    """
    shape = tuple(data.shape) if on is None else tuple(on.space.shape)
    example = data.example(1)
    example = {key: x.to("meta") for key, x in example.items()}
    example["x"] = torch.zeros(1, *shape, device="meta")
    node, built = config[name], {}
    if "bottleneck" in node:
        bottleneck = build_part(config, f"{name}.bottleneck", data.interface)
        built["bottleneck"] = bottleneck
        keys = node.get("context_keys", Tokenizer.context_keys)
        context = {key: example[key] for key in keys if key in example}
        both = {f"{key}_shape": list(value.shape[1:]) for key, value in context.items()}
        both |= {"shape": list(shape), "latent_shape": list(bottleneck.space.shape)}
        both |= data.interface
        handed = {**both, "in_channels": shape[0], "out_channels": bottleneck.in_channels}
        with torch.device(device):
            built["encoder"] = encoder = build_part(config, f"{name}.encoder", handed)
        kind = locate(node["_target_"], name)
        _declare_grid(name, kind, encoder, bottleneck, {"x": example["x"], **context})
        with torch.device(device):
            both["latent_shape"] = list(bottleneck.space.shape)  # with its grid by now
            handed = both | _decoder_interface(node, shape, bottleneck.space.shape)
            built["decoder"] = build_part(config, f"{name}.decoder", handed)
    handed = data.interface if built else {"shape": list(shape), **data.interface}
    tokenizer = build_part(config, name, handed, **built)
    _check_tokenizer(name, tokenizer, data, example)
    return tokenizer


def _declare_grid(
    name: str, kind: type[Tokenizer], encoder: nn.Module, bottleneck: Any, example: dict
) -> None:
    shape = tuple(example["x"].shape[1:])
    try:
        features = on_meta(encoder, lambda network: kind.features(network, **example))
    except (RuntimeError, ValueError) as error:
        raise ConfigError(
            f"the {name} does not fit data of shape {shape}: {error}; change "
            f"{name}.encoder, or the size of the data"
        ) from error
    if len(bottleneck.space.shape) == 1 and features.ndim > 2:
        bottleneck.on_grid(features.shape[2:])


def _decoder_interface(node: DictConfig, shape: tuple, latent: tuple) -> dict[str, Any]:
    mirrored = {
        key: value
        for key, value in OmegaConf.to_container(node.encoder, resolve=True).items()
        if not key.startswith("_") and key not in ("in_channels", "out_channels")
    }
    # A perceptron reads all numbers of a latent without a grid, such as a matrix.
    grid = len(shape) > 1 and len(latent) == len(shape)
    channels = latent[0] if grid else math.prod(latent)
    return {**mirrored, "shape": list(shape), "in_channels": channels, "out_channels": shape[0]}


def _check_tokenizer(name: str, tokenizer: Tokenizer, data: DataModule, example: dict) -> None:
    shape, space = tuple(example["x"].shape[1:]), tokenizer.bottleneck.space
    fits = f"data of shape {shape} and a latent space {space}"
    training = tokenizer.training

    def there_and_back(model: Tokenizer) -> tuple[tuple[int, ...], tuple[int, ...]]:
        encoded = model.eval().encode(example)
        latent = encoded.codes if model.latents == "codes" else encoded.latent
        back = model.decode(latent, encoded.context)["x"]
        return tuple(encoded.latent.shape[1:]), tuple(back.shape[1:])

    try:
        latent, back = on_meta(tokenizer, there_and_back)
    except (RuntimeError, ValueError) as error:
        raise ConfigError(f"the {name} does not fit {fits}: {error}") from error
    finally:
        tokenizer.train(training)
    if latent != space.shape or back != shape:
        remedy = f"{name}.bottleneck.shape, the multipliers, or the size of the data"
        if not tokenizer.learned:
            remedy = f"{name}.space to the one that the data live in"
        raise ConfigError(
            f"the {name} does not fit {fits}: it makes latents {latent} and reconstructions "
            f"{back}; change {remedy}"
        )


def build_prior(
    config: DictConfig,
    name: str,
    data: DataModule,
    on: Tokenizer,
    told: Mapping[str, Tokenizer],
    device: str = "cpu",
) -> Prior:
    """Build a prior, passing its parts the sizes of latents and conditions.

    The network receives `shape`, `dim` and `in_features` (the numbers in a point) of the space,
    `classes`, 0 without labels, `null_class`, true if labels are dropped, and `<key>_shape` of what
    else conditions it: entries of a batch, and the latents of other stages; the `horizon`, the
    largest time of the process; and the numbers of the data and of the tokenizer. A prior that
    takes a number of `windows` receives the tokenizer's, or that of windows `window` long, and its
    parts the sizes of one. The objective also receives, as `latent_scale`, the fixed numbers that
    data are divided by where they are their own latents.

    Raises:
        ConfigError: a part refuses its arguments, or latents are no whole number of windows.
    """
    node, (space, windows) = config[name], _window(config, name, on)
    conditions = node.get("conditioning")
    labelled = "backbone" not in node or (conditions or {}).get("label") is not None
    classes = data.classes if labelled else 0
    shapes = _condition_shapes(conditions, data, on, told)
    handed: dict[str, Any] = {
        **data.interface,
        **on.interface,
        "shape": list(space.shape),
        "dim": space.dim,
        "in_features": math.prod(space.shape),
        "classes": classes,
        **{f"{key}_shape": one for key, one in shapes.items()},
        "windows": windows,
    }
    if isinstance(on, Identity) and on.fixed:
        handed["latent_scale"] = on.std.tolist()
    built: dict[str, Any] = {}
    if "process" in node:
        built["process"] = process = build_part(config, f"{name}.process", space=space)
        handed["horizon"] = float(max(process.span))
    if conditions is not None:
        built["conditioning"] = _conditioning(config, name, data, on, classes, shapes)
        label = built["conditioning"].dropped.get("label")
        handed["null_class"] = label is not None and label.rate > 0
        read = built["conditioning"].example(1)  # captions as embedded
        handed |= {f"{key}_shape": list(one.shape[1:]) for key, one in read.items()}
    if "backbone" in node:
        with torch.device(device):
            built["backbone"] = build_part(config, f"{name}.backbone", handed)
        if handed.get("null_class") and not getattr(built["backbone"], "null_class", True):
            raise ConfigError(
                f"{name}.backbone.null_class=false, but labels are dropped in training: leave it "
                f"out, and it is handed over, or set {name}.conditioning.label.rate=0"
            )
    elif "space" in parameters(locate(node["_target_"], name))[0]:
        built["space"] = space
    with torch.device(device):
        return build_part(config, name, handed, **built)


def _window(config: DictConfig, name: str, on: Tokenizer) -> tuple[Space, int]:
    """Space that the parts of a prior learn, that of all latents or of a window; and how many."""
    node, space, windows = config[name], on.space, on.interface.get("windows", 1)
    if "windows" not in parameters(locate(node["_target_"], name))[0]:
        return space, 1
    if not isinstance(space, Flat) or len(space.shape) < 2:
        raise ConfigError(
            f"{name} draws windows, which {space} has no axis for: choose a flat grid"
        )
    length = space.shape[1]
    if node.get("window") is not None:
        windows = max(length // node.window, 1)
    if (node.get("window") or length // windows) * windows != length:
        raise ConfigError(
            f"latents {space} are no whole number of windows {node.window} long: change "
            f"{name}.window, or the length of the data"
        )
    return space.cut(windows), windows


def _check_interface(config: DictConfig, name: str, data: DataModule) -> None:
    """Refuse configured numbers that contradict those of the data, and fewer classes."""
    own = OF_LATENTS if "bottleneck" in config[name] else ()
    numbers = {key: value for key, value in data.interface.items() if key not in own}
    for place, node in _mappings(config[name], name):
        for key, value in numbers.items():
            if node.get(key, value) != value:
                raise ConfigError(
                    f"{place}.{key}={node[key]}, but that of {data.name} is {value}: leave it out, "
                    f"and it is handed over"
                )
        found = node.get("classes")
        if isinstance(found, int) and 0 < found < data.classes:
            raise ConfigError(
                f"{place}.classes={found} is fewer than the {data.classes} classes of {data.name}: "
                f"leave it out, and it is handed over"
            )


def _mappings(node: DictConfig, place: str) -> Iterator[tuple[str, DictConfig]]:
    """A node and all below it, with their places."""
    yield place, node
    for key, child in node.items():
        if isinstance(child, DictConfig):
            yield from _mappings(child, f"{place}.{key}")


def _condition_shapes(
    conditions: DictConfig | None, data: DataModule, on: Tokenizer, told: Mapping[str, Tokenizer]
) -> dict[str, list[int]]:
    """Shape of what conditions one sample, by its key."""
    example = {key: value.to("meta") for key, value in data.example(1).items()}
    example |= on_meta(on, lambda model: model.conditions(example))
    read = {key: example[key] for key, one in (conditions or {}).items() if one and key in example}
    latents = {key: list(model.space.shape) for key, model in told.items()}
    return {key: list(value.shape[1:]) for key, value in read.items()} | latents


def _conditioning(
    config: DictConfig,
    name: str,
    data: DataModule,
    on: Tokenizer,
    classes: int,
    shapes: Mapping[str, list[int]],
) -> Conditioning:
    place, built = f"{name}.conditioning", {}
    for key, one in config[name].conditioning.items():
        if isinstance(one, DictConfig):
            shape = {"shape": shapes[key]} if key in shapes else {}
            if key not in shapes and "classes" not in parameters(locate(one._target_))[0]:
                raise ConfigError(
                    f"{place}.{key}: {data.name} has no {key} to condition on: choose one, "
                    f"data.{key}=..., other data, or {place}.{key}=null"
                )
            taken = parameters(locate(one._target_))[0]
            own = {"tokenizer": on} if "tokenizer" in taken else {}
            handed = {"classes": classes, **shape}
            built[key] = build_part(config, f"{place}.{key}", handed, **own)
    return build_part(config, place, **built)
