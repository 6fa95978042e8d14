"""The stages of an experiment: what each trains, and what it leaves behind."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import torch
from omegaconf import DictConfig
from pytorch_lightning import Callback
from pytorch_lightning.utilities.exceptions import SIGTERMException
from torch import Tensor, nn

from data import DataModule, SampleOrder
from ldm import distributed
from ldm.hub import weights
from ldm.randomness import fold, step_generator
from ldm.run.folder import Run
from ldm.run.parts import (
    Parts,
    build_guidance,
    build_loggers,
    build_part,
    build_prior,
    build_sampler,
    build_tokenizer,
    load_tokenizer,
    model_config,
)
from ldm.run.sampling import draw
from ldm.tokenizers import Batch, Tokenizer
from ldm.training import Training
from ldm.training.fit import fit
from ldm.training.latent_cache import LatentCache
from ldm.training.progress import progress_bar
from ldm.training.selection import KeepBest

__all__ = ["STAGES"]

MEASURED = 10_000  # training samples that the latents' mean and deviation are measured on
COLUMNS = 8  # pictures in a row of a grid


def train_tokenizer(config: DictConfig, run: Run, data: DataModule) -> None:
    """Train the tokenizer, then measure the mean and deviation of its latents."""
    tokenizer = _seeded(config, lambda: build_tokenizer(config))
    training = build_part(config, "tokenizer.training", model=tokenizer, seed=config.seed)
    training.batches = lambda t: data.train_batches(*_left(t))
    shown = data.test_dataset.__getitems__(list(range(min(COLUMNS, len(data.test_dataset)))))["x"]

    def draw(t: Training) -> Tensor:
        back = t.ema.model.reconstruct({"x": shown.to(t.device)})[0]["x"]
        return data.show({"x": torch.cat([shown, back.float().cpu()])}, columns=len(shown))

    _fit(config, run, "tokenizer", training, draw)
    if distributed.rank() == 0:
        weights.load_averaged(run.checkpoint("tokenizer"), tokenizer)
        device = distributed.device()
        tokenizer.to(device).eval()
        generator = step_generator(config.seed, 0, training.samples, device)
        tokenizer.measure(_raws(tokenizer, data, device), generator)
        _export(config, run, "tokenizer", tokenizer, space=repr(tokenizer.space))
    distributed.barrier()


def train_prior(config: DictConfig, run: Run, data: DataModule) -> None:
    """Train the prior on the latents of the run's tokenizer."""
    tokenizer = load_tokenizer(config, run.tokenizer(config))
    prior = _seeded(config, lambda: build_prior(config, tokenizer))
    given = {"model": prior, "tokenizer": tokenizer, "seed": config.seed}
    training = build_part(config, "prior.training", **given)
    training.batches = lambda t: _latent_batches(config, run, data, t)
    sampler, guidance = build_sampler(config), build_guidance(config)

    def show(t: Training) -> Tensor:
        parts = Parts(config, data, tokenizer, t.ema.model, sampler, guidance)
        return data.show(draw(parts, range(data.shown), config.seed).batch, columns=COLUMNS)

    best = run.stage("prior") / "best.safetensors"
    select = []
    if training.selection is not None:
        select = [KeepBest(best, training.selection, data.ordered_batches("val", 4096))]
    _fit(config, run, "prior", training, show, select)
    if distributed.rank() == 0:
        if select:
            weights.load(best, prior)
        else:
            weights.load_averaged(run.checkpoint("prior"), prior)
        _export(config, run, "prior", prior, space=repr(prior.space))
    distributed.barrier()


STAGES = {"tokenizer": train_tokenizer, "prior": train_prior}


def _seeded(config: DictConfig, build: Callable[[], nn.Module]) -> nn.Module:
    torch.manual_seed(fold(config.seed))  # of the initial weights
    return build()


@torch.no_grad()
def _raws(tokenizer: Tokenizer, data: DataModule, device: torch.device) -> Iterator[Tensor]:
    samples = min(MEASURED, len(data.train_dataset))
    for batch in data.train_batches(0, samples, rank=0, world=1, batch_size=min(samples, 128)):
        yield tokenizer.encode({"x": batch["x"].to(device)}).raw


def _latent_batches(
    config: DictConfig, run: Run, data: DataModule, training: Training
) -> Iterable[Batch]:
    start, stop, rank, world, size = _left(training)
    if not (config.trainer.cache_latents and training.tokenizer.learned):
        return data.train_batches(start, stop, rank, world, size)
    training.tokenizer.to(training.device)
    identity = weights.fingerprint(training.tokenizer)
    cache = LatentCache(run.latents, partial(_stored, training.tokenizer), identity, data)
    with progress_bar() as bar:
        total = len(data.train_dataset) * len(data.views) // world
        task = bar.add_task("latents", total=total, remarks="")
        for done in cache.fill(training.device, rank, world):
            bar.update(task, advance=done)
            if training.trainer.received_sigterm:
                raise SIGTERMException
    distributed.barrier()
    length = len(data.train_dataset)
    order = SampleOrder(length, size, data.seed, start=start, stop=stop, rank=rank, world=world)
    return cache.batches(order, data.workers)


def _stored(tokenizer: Tokenizer, batch: Batch) -> Batch:
    """What a cache keeps of a batch: raw latents, and all that is not data."""
    kept = {key: value for key, value in batch.items() if key != "x"}
    return {**kept, "raw": tokenizer.encode(batch).raw}


def _left(training: Training) -> tuple[int, int, int, int, int]:
    """Start, stop, rank, world and batch size: which samples this rank has still to see."""
    start = min(training.samples_seen, training.samples)  # the last batch may reach beyond
    rank, world = training.global_rank, training.trainer.world_size
    return start, training.samples, rank, world, training.batch_size


def _fit(
    config: DictConfig,
    run: Run,
    stage: str,
    training: Training,
    draw: Callable[[Training], Tensor],
    callbacks: Sequence[Callback] = (),
) -> None:
    options = build_part(config, "trainer")
    loggers = partial(build_loggers, config, run, stage)
    fit(training, run.stage(stage), options, draw, loggers, callbacks)


def _export(config: DictConfig, run: Run, stage: str, model: nn.Module, **facts: Any) -> None:
    facts |= {"model": model_config(config[stage]), "samples": config[stage].training.samples}
    weights.save(run.model(stage), model, facts)
