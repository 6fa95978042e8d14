"""Training the stages of an experiment and exporting their weights."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import torch
from omegaconf import DictConfig
from pytorch_lightning import Callback
from torch import Tensor

from data import Batch, DataModule, SampleOrder
from data.files.roots import expanded
from data.loading import BatchLoader
from ldm import distributed
from ldm.bottlenecks import Encoded
from ldm.config.compose import ConfigError
from ldm.config.lineage import foundation, lineage
from ldm.hub import weights
from ldm.priors import Prior
from ldm.progress import progress, tracked
from ldm.randomness import fold, step_generator
from ldm.run.folder import Run
from ldm.run.loggers import build_loggers
from ldm.run.parts import Parts, build_part, reader, told_readers
from ldm.run.sampling import draw
from ldm.stopping import Stopped
from ldm.tokenizers import Tokenizer, latents_as_data
from ldm.training import Diverged, PriorTraining, TokenizerTraining, Training
from ldm.training.fit import fit
from ldm.training.latent_cache import LatentCache
from ldm.training.latent_shards import LatentShards
from ldm.training.latents import Latents
from ldm.training.selection import KeepBest

__all__ = ["build_training", "encodings", "latents_of", "train_stage"]

MEASURED = 10_000  # training samples for the mean and standard deviation of latents
HELD_OUT = 128  # samples of the held-out loss at each record
COLUMNS = 8  # pictures in a row of a grid


def latents_of(parts: Parts, name: str) -> Latents:
    """Build the map from data to the latents and conditions of a stage's prior."""
    below = reader(parts.config, parts.models, foundation(parts.config, name))
    told = told_readers(parts.config, parts.models, name)
    return Latents(below, told, parts.models[name].conditioning)


def build_training(parts: Parts, name: str) -> Training | None:
    """Build the training of a stage; None if its model is fitted without gradient steps.

    Raises:
        ConfigError: the stage has no `training`, or an option is refused.
    """
    config, model = parts.config, parts.models[name]
    if config[name].get("training") is None:
        measured = isinstance(model, Tokenizer) and not model.learned
        if not (hasattr(model, "fit") or measured):
            raise ConfigError(f"nothing says how {name} is trained: set {name}.training")
        return None
    given: dict[str, Any] = {"model": model, "seed": config.seed}
    below = foundation(config, name)
    if below is not None:
        given["tokenizer"] = reader(config, parts.models, below)
    if told := told_readers(config, parts.models, name):
        given["told"] = told
    torch.manual_seed(fold(config.seed, 1))  # for a discriminator's initial weights
    shape = list(parts.data.shape)
    handed = {**parts.data.interface, "in_channels": shape[0], "shape": shape}
    return build_part(config, f"{name}.training", handed, **given)


def train_stage(
    parts: Parts,
    run: Run,
    name: str,
    training: Training | None,
    running: Callable[[Parts], dict[str, float]],
) -> None:
    """Train or fit a stage's model, export it, and load the exported weights for later stages.

    Args:
        parts: with the trained models that the stage depends on.
        run: whose folder the stage is in.
        name: of the stage.
        training: see `build_training`.
        running: see `train_stages`.
    """
    model = parts.models[name]
    if isinstance(model, Prior):
        _train_prior(parts, run, name, training, running)
    else:
        _train_tokenizer(parts, run, name, training)
    distributed.barrier()
    weights.load(run.model(name), model)
    model.eval().requires_grad_(False)


def _train_tokenizer(parts: Parts, run: Run, name: str, training: TokenizerTraining | None) -> None:
    """Train a tokenizer, then measure the mean and standard deviation of its latents."""
    config, data, tokenizer = parts.config, parts.data, parts.models[name]
    below = foundation(config, name)
    first = None if below is None else reader(config, parts.models, below)

    def read(batch: Batch) -> Batch:
        return batch if first is None else latents_as_data(first, batch)

    def show(t: Training) -> Tensor:
        whole = reader(config, {**parts.models, name: t.ema.model}, name)
        count = min(COLUMNS, len(data.test_dataset))
        shown = data.test_dataset.__getitems__(list(range(count)))
        back = whole.reconstruct(_to(shown, t.device))[0]
        return data.show(_joined(shown, _to(back, "cpu")), columns=count)

    device = distributed.device()
    if training is None:
        with torch.no_grad():
            if hasattr(tokenizer, "fit"):  # else it has its latents measured, and nothing more
                batches = tracked(name, data.ordered_batches("train", 128))
                tokenizer.fit(read(batch) for batch in batches)
        seen = len(data.train_dataset)
    else:
        training.batches = lambda t: data.train_batches(*t.left())
        _fit(config, run, name, training, show, partial(_held_out, data))
        seen = training.samples
    if distributed.rank() == 0:
        if training is not None:
            weights.load_averaged(run.checkpoint(name), tokenizer)
        tokenizer.to(device).eval()
        if first is not None:
            first.to(device)
        generator = step_generator(config.seed, 0, seen, device)
        try:
            tokenizer.measure(encodings(tokenizer, read, data, device), generator)
        except ValueError as error:  # such as codes that are all equal
            raise Diverged(f"{name}: {error}") from error
        facts = {"space": repr(tokenizer.bottleneck.space), "samples": seen}
        weights.save(run.model(name), tokenizer, facts)


def _train_prior(
    parts: Parts,
    run: Run,
    name: str,
    training: PriorTraining | None,
    running: Callable[[Parts], dict[str, float]],
) -> None:
    """Train a prior on the latents of its tokenizer."""
    config, data, prior = parts.config, parts.data, parts.models[name]
    latents = latents_of(parts, name)

    def now(t: Training) -> Parts:
        models = {other: parts.models[other] for other in lineage(config, name)}
        return Parts(config, data, {**models, name: t.ema.model})

    def show(t: Training) -> Tensor:
        return data.show(draw(now(t), range(data.shown), config.seed).batch, columns=COLUMNS)

    if training is None:
        batches = tracked(name, data.ordered_batches("train", 128))
        prior.fit(latents.read(batch) for batch in batches)
        if distributed.rank() == 0:
            facts = {"space": repr(prior.space), "samples": len(data.train_dataset)}
            weights.save(run.model(name), prior, facts)
        return
    training.batches = lambda t: _latent_batches(config, run, data, t)
    best = run.stage(name) / "best.safetensors"
    select = []
    if training.selection is not None:
        select = [KeepBest(best, training.selection, data.ordered_batches("val", 4096))]

    def held_out(device: torch.device) -> Batch:
        return latents.encode(_held_out(data, device))

    _fit(config, run, name, training, show, held_out, select, lambda t: running(now(t)))
    if distributed.rank() == 0:
        if select:
            weights.load(best, prior)
        else:
            weights.load_averaged(run.checkpoint(name), prior)
        facts = {"space": repr(prior.space), "samples": training.samples}
        weights.save(run.model(name), prior, facts)


@torch.no_grad()
def encodings(
    tokenizer: Tokenizer, read: Callable[[Batch], Batch], data: DataModule, device: torch.device
) -> Iterator[Encoded]:
    """Encode the training samples by which the latents of a tokenizer are measured."""
    samples = min(MEASURED, len(data.train_dataset))
    batches = data.train_batches(0, samples, rank=0, world=1, batch_size=min(samples, 128))
    for batch in tracked("measuring", batches):
        yield tokenizer.encode(read(_to(batch, device)))


def _latent_batches(
    config: DictConfig, run: Run, data: DataModule, training: PriorTraining
) -> Iterable[Batch]:
    start, stop, rank, world, size = training.left()
    latents = training.latents
    if training.latent_shards is not None:
        shards = LatentShards(expanded(training.latent_shards))
        shards.check(latents.tokenizer, data.classes)
        given = {"start": start, "stop": stop, "rank": rank, "world": world}
        order = SampleOrder(len(shards), size, data.seed, **given)
        return BatchLoader(shards, order, data.workers)
    if not (config.trainer.cache_latents and latents.learned):
        return data.train_batches(start, stop, rank, world, size)
    for model in latents.models:
        model.to(training.device)
    cache = LatentCache(run.latents, latents.encode, latents.identity, data)
    total = sum(cache.length(number) for _, number in cache.share(rank, world))
    with progress("latents", total) as advance:
        for done in cache.fill(training.device, rank, world):
            advance(done)
            if training.stop.asked:
                break
    if told := training.told_to_stop():  # every rank comes here
        raise Stopped(told, "latents encoded so far saved")
    length = len(data.train_dataset)
    order = SampleOrder(length, size, data.seed, start=start, stop=stop, rank=rank, world=world)
    return cache.batches(order, data.workers)


def _fit(
    config: DictConfig,
    run: Run,
    stage: str,
    training: Training,
    show: Callable[[Training], Tensor],
    held_out: Callable[[torch.device], Batch],
    callbacks: Sequence[Callback] = (),
    running: Callable[[Training], dict[str, float]] | None = None,
) -> None:
    options = build_part(config, "trainer")
    loggers = partial(build_loggers, config, run, stage)
    fit(training, run.stage(stage), options, show, loggers, callbacks, held_out, running)


def _held_out(data: DataModule, device: torch.device) -> Batch:
    """First samples of the val split, or of the test split where there is none."""
    dataset = data.dataset_of("val" if "val" in data.held else "test")
    return _to(dataset.__getitems__(list(range(min(HELD_OUT, len(dataset))))), device)


def _to(batch: Batch, device: torch.device | str) -> Batch:
    moved = {key: value.to(device) for key, value in batch.items()}
    return {key: x.float() if x.is_floating_point() else x for key, x in moved.items()}


def _joined(first: Batch, second: Batch) -> Batch:
    """Concatenate two batches; keys that the second lacks are repeated from the first."""
    kept = {key: torch.cat([first[key], second.get(key, first[key])]) for key in first}
    return kept
