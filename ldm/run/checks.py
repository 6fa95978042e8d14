"""Checks of an experiment before training, in seconds at any model size."""

import os

import torch

from data import DataModule
from data.files.roots import expanded
from data.files.whole import check_writable
from data.order import check_share
from ldm.config.compose import ConfigError
from ldm.config.lineage import lineage
from ldm.priors import Prior
from ldm.run.folder import Run
from ldm.run.parts import Parts, build_part
from ldm.run.rehearsal import on_meta, without_weights
from ldm.tokenizers import Tokenizer
from ldm.training import PriorTraining, TokenizerTraining, Training
from ldm.training.fit import make_trainer
from ldm.training.latent_shards import LatentShards
from ldm.training.latents import Latents

__all__ = ["check_folders", "check_prior", "check_tokenizer_losses", "check_training"]

PER_SAMPLE = 64  # bytes of its index, seed and place in the order


def check_folders(parts: Parts, run: Run, stages: list[str]) -> None:
    """Check that everything that training and evaluation write can be written.

    Raises:
        DataError: a folder is read-only, or a file is where it would be.
    """
    written = [run.metrics, *(run.stage(name) / "config.yaml" for name in stages)]
    priors = any(isinstance(parts.models[name], Prior) for name in stages)
    if parts.config.trainer.cache_latents and priors:
        written.append(run.latents / "latents")
    for path in written:
        check_writable(path)


def check_training(parts: Parts, name: str, training: Training) -> None:
    """Check that the losses and data of a stage fit together, before it is trained.

    Raises:
        ConfigError: they do not; the message states what to change.
    """
    _check_batches(parts, name, training)
    if isinstance(training, TokenizerTraining):
        check_tokenizer_losses(parts, name, training)
    if isinstance(training, PriorTraining):
        _check_prior_training(parts, name, training)


def _check_batches(parts: Parts, name: str, training: Training) -> None:
    """Refuse batches that no machine of this kind, or number of devices, can share."""
    options = build_part(parts.config, "trainer")
    size, world = training.batch_size, make_trainer(options).world_size
    check_share(size, 0, world)
    if options.accumulate > size // world:
        raise ConfigError(
            f"trainer.accumulate={options.accumulate:,} cuts the {size // world:,} samples that "
            f"each device has of a batch into more parts than samples: lower it"
        )
    example = parts.data.example(1)
    needed = PER_SAMPLE + sum(value.nbytes for value in example.values())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if needed * size // world > memory:
        raise ConfigError(
            f"{name}.training.batch_size={size:,} is {needed * size // world / 2**30:,.0f} GiB of "
            f"data on each device, and this machine has {memory / 2**30:,.0f} GiB: lower it"
        )


def check_prior(name: str, prior: Prior, latents: Latents, data: DataModule) -> None:
    """Compute the prior's loss once, on meta tensors or with zero weights.

    Raises:
        ConfigError: network, process and latents do not fit together.
    """
    try:
        rehearsed_loss(prior, latents, data)
    except (RuntimeError, ValueError, TypeError) as error:
        space = prior.space
        raise ConfigError(
            f"the {name} does not fit the latent space {space}: {error}; leave out what the "
            f"network is told of it, or set its shape to {tuple(space.shape)}"
        ) from error


def rehearsed_loss(prior: Prior, latents: Latents, data: DataModule) -> torch.Tensor:
    """Sum of the losses of one sample, on meta tensors; with zero weights if values are needed.

    Processes that simulate their noise do so in one step, see `Process.brief`: the cost of the
    simulation is not that of the loss.
    """
    prior = prior.brief()
    told = _example_told(prior, latents, data, "meta")
    shape, codes = latents.tokenizer.space.shape, latents.tokenizer.latents == "codes"
    latent = torch.zeros(1, *shape, device="meta", dtype=torch.long if codes else torch.float32)
    try:
        return on_meta(prior, lambda model: sum(model.loss(latent, told).values()).sum())
    except Exception:  # heat kernels and meshes need values, which meta tensors do not have
        told = {key: torch.zeros_like(x, device="cpu") for key, x in told.items()}
        point = prior.space.on(told).random(1, torch.Generator())
        loss = without_weights(prior).loss(point, told, torch.Generator())
        return sum(loss.values()).sum()


def _example_told(
    prior: Prior, latents: Latents, data: DataModule, device: str
) -> dict[str, torch.Tensor]:
    whole = data.example(1) | prior.example(1)  # captions as embedded
    example = {key: x.to(device) for key, x in whole.items() if key != "x"}
    for key, model in latents.told.items():
        example[key] = torch.zeros(1, *model.space.shape, device=device)
    return example


def check_tokenizer_losses(parts: Parts, name: str, training: TokenizerTraining) -> None:
    """Compute the loss, the logits of discriminators and what is aligned, once on meta tensors.

    Discriminators may start late in training.

    Raises:
        ConfigError: a loss or a discriminator is not for data of this shape.
    """
    (loss,) = training.loss
    (first,) = training.first
    shape = parts.data.shape if first is None else first.space.shape
    x = torch.zeros(2, *shape, device="meta")  # a batch normalisation needs two
    latent = torch.zeros(2, *training.model.bottleneck.space.shape, device="meta")
    rehearsed = [("loss", loss, lambda loss: loss(x, x))]
    adversaries = getattr(training.adversarial, "parts", {"": training.adversarial})
    for key, one in adversaries.items():
        rehearsed.append((f"adversarial{key and f'.parts.{key}'}", one, lambda one: one(x)))
    rehearsed.append(("alignment", training.alignment, lambda one: one.compared(x, latent)))
    for key, module, call in rehearsed:
        if module is None:
            continue
        try:
            on_meta(module, call)
        except (RuntimeError, ValueError) as error:
            raise ConfigError(
                f"{name}.training.{key} does not fit {parts.data.name}: {error}"
            ) from error


def _check_prior_training(parts: Parts, name: str, training: PriorTraining) -> None:
    data, latents = parts.data, training.latents
    if training.selection is not None and "val" not in data.held:
        raise ConfigError(
            f"{name}.training.selection looks at a val split, and {data.name} has none: set it to "
            f"null"
        )
    if training.latent_shards is not None:
        _check_shards(training, data)
    elif not latents.learned:
        _check_points(latents.tokenizer, data)
    elif parts.config.trainer.cache_latents and not data.views:
        raise ConfigError(
            f"{data.name} has too many views of a sample to cache their latents: set "
            f"trainer.cache_latents=false, or, for random crops, data.crop=center, or, for random "
            f"clips, data.clips=windows"
        )
    _check_measured(parts, name)
    if training.model.conditioning is not None:
        training.model.conditioning.check()
    check_prior(name, training.model, latents, data)


def _check_shards(training: PriorTraining, data: DataModule) -> None:
    """Refuse shards of latents that cannot be read, or are not those of a trained tokenizer."""
    tokenizer, conditioning = training.latents.tokenizer, training.model.conditioning
    shards = LatentShards(expanded(training.latent_shards))
    keys = set() if conditioning is None else set(conditioning.dropped) - {"label"}
    if keys or training.latents.told:
        needed = ", ".join(sorted([*keys, *training.latents.told]))
        raise ConfigError(
            f"shards of latents have labels alone, and this prior reads {needed}: leave out "
            f"training.latent_shards"
        )
    on_meta = any(one.is_meta for one in (*tokenizer.parameters(), *tokenizer.buffers()))
    if not tokenizer.training and tokenizer.measured and not on_meta:
        shards.check(tokenizer, data.classes)


def _check_measured(parts: Parts, name: str) -> None:
    """Refuse a tokenizer that is used as it was loaded, although its latents were not measured."""
    for below in lineage(parts.config, name):
        model = parts.models[below]
        if isinstance(model, Tokenizer) and not model.training and not model.measured:
            source = parts.config[below].get("checkpoint") or parts.config.run
            raise ConfigError(
                f"the latents of the {below} in {source} were never measured, so a prior cannot "
                f"learn them: import it again with measure=true, or with scaling_factor=..., see "
                f"docs/weights.md"
            )


def _check_points(tokenizer: Tokenizer, data: DataModule) -> None:
    """Refuse data outside the space of latents that are the data or a change of coordinates."""
    batches = (batch for split in data.held for batch in data.ordered_batches(split, 4096))
    for batch in batches:
        encoded = tokenizer.encode(batch)
        try:
            tokenizer.bottleneck.space.on(encoded.context).check(encoded.latent)
        except ValueError as error:
            raise ConfigError(f"{data.name} does not live in {tokenizer.space}: {error}") from error
