"""The base class of training a tokenizer or a prior."""

import math
from abc import abstractmethod
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from data import Batch
from ldm import distributed
from ldm.randomness import fold, step_generator
from ldm.stopping import Stop, Stopped
from ldm.training.clipping import AdaptiveClip
from ldm.training.ema import EMA
from ldm.training.learning_rate import Constant

__all__ = ["Diverged", "Training", "trained"]

Loss = Callable[[Batch], tuple[Tensor, dict[str, Tensor]]]


class Diverged(RuntimeError):
    """Losses, gradients or weights are no longer finite."""


class Training(pl.LightningModule):
    """Trains one model, with progress counted in samples.

    One step uses one batch of `batch_size` samples over all ranks, accumulated in `accumulate`
    parts, and all its randomness is a function of (seed, rank, samples seen). Training therefore
    resumes exactly from any checkpoint; checkpoints are written only between steps.

    Args:
        model: the trained model.
        optimizer: builds an optimizer from parameters.
        samples: number of training samples, counted with repetition.
        batch_size: samples per optimizer step, over all ranks.
        seed: of data order and noise.
        ema: decay of the averaged weights at each update.
        ema_warmup: bound the decay by (1 + n) / (10 + n) at update n; None to do so if training is
            so short that the average would still hold more than 1 % of the initial weights.
        ema_every: steps from one update of the averaged weights to the next.
        clip: largest gradient norm, a number or an `AdaptiveClip`; None for no limit.
        schedule: factor of the learning rate, as a function of samples seen and total samples.

    Raises:
        ValueError: a number is out of range, or the optimizer refuses its options or the model.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
        samples: int,
        batch_size: int,
        seed: int,
        ema: float = 0.999,
        ema_warmup: bool | None = None,
        ema_every: int = 1,
        clip: float | AdaptiveClip | None = None,
        schedule: Callable[[int, int], float] | None = None,
    ) -> None:
        super().__init__()
        if samples < 1 or batch_size < 1:
            raise ValueError(
                f"training needs 1 sample or more, in batches of 1 or more, got {samples} and "
                f"{batch_size}"
            )
        if not 0 < ema_every * batch_size <= max(samples, batch_size):
            raise ValueError(
                f"weights are averaged every {ema_every} steps, and there are "
                f"{-(-samples // batch_size)}: set ema_every between 1 and that"
            )
        if isinstance(clip, int | float) and not clip > 0:
            raise ValueError(f"clip must be above 0, or null for no limit, got {clip}")
        self.automatic_optimization = False
        self.model = model
        self.ema = EMA(model, ema)
        self.ema_warmup, self.ema_every = ema_warmup, ema_every
        self.make_optimizer = optimizer
        self._check_optimizer()
        self.samples, self.batch_size, self.seed, self.clip = samples, batch_size, seed, clip
        self.schedule = schedule or Constant()
        self.samples_seen = 0
        self.accumulate = 1
        self.draws = 1
        """Batches that a step draws; `samples` counts one of them."""
        self.batches: Callable[["Training"], Iterable[Batch]] | None = None
        """Returns the remaining batches of this rank; set before the stage runs."""
        self.stop = Stop()
        """Notes signals while the stage runs."""
        self.frozen: list[nn.Module] = []  # a list, so neither submodules nor saved

    def _check_optimizer(self) -> None:
        """Build the optimizer once on parameters without storage, so that bad options fail now."""
        shapes = [p.shape for p in trained(self.model)]
        alike = [nn.Parameter(torch.zeros((), device="cpu").expand(shape)) for shape in shapes]
        for group in self.make_optimizer(alike).param_groups:
            if not group["lr"] > 0:
                raise ValueError(f"optimizer: a learning rate must be above 0, got {group['lr']}")
            for name, value in group.items():
                if isinstance(value, float) and not math.isfinite(value):
                    raise ValueError(f"optimizer: {name} must be finite, got {value}")

    @property
    def partial(self) -> bool:
        """True if steps leave some of the trained parameters without a gradient."""
        return False

    @abstractmethod
    def optimize(self, parts: list[Batch], generator: torch.Generator) -> dict[str, Tensor]:
        """Take one step of each optimizer; returns scalars to log.

        Args:
            parts: of the batch; those of a second batch come after those of the first.
            generator: of this step's noise.
        """

    @abstractmethod
    def held_out_loss(self, batch: Batch, generator: torch.Generator) -> Tensor:
        """Mean loss of the averaged weights on a batch that is not trained on; no gradient."""

    def doubt(self, values: dict[str, float]) -> str | None:
        """Say what is suspicious in a record, while there is time to stop; None if nothing is."""
        return None

    def left(self) -> tuple[int, int, int, int, int]:
        """Start, stop, rank, world and batch size of the data that this rank has yet to draw."""
        # The last batch is whole, and may exceed `samples`.
        stop = -(-self.samples // self.batch_size) * self.batch_size
        seen = stop if self.samples_seen >= self.samples else self.samples_seen
        rank, world = self.global_rank, self.trainer.world_size
        return self.draws * seen, self.draws * stop, rank, world, self.batch_size

    def training_step(self, batch: Batch | list[Batch], index: int) -> None:
        rank, seen = self.global_rank, self.samples_seen
        torch.manual_seed(fold(self.seed, rank, seen, 1))  # for dropout, which takes no generator
        generator = step_generator(self.seed, rank, seen, self.device)
        drawn = batch if isinstance(batch, list) else [batch]
        logs = self.optimize([part for one in drawn for part in self._parts(one)], generator)
        self.samples_seen += self.batch_size
        if self.samples_seen // self.batch_size % self.ema_every == 0:
            self.ema.update(self.model, self._largest_decay(self.samples_seen, self.samples))
        self.logs = logs

    def minimize(
        self,
        optimizer: Optimizer,
        parameters: list[nn.Parameter],
        loss: Loss,
        parts: list[Batch],
        clip: float | None = None,
    ) -> dict[str, Tensor]:
        """Take one optimizer step on the mean loss of the batch; returns the mean of the logs.

        With `clip`, this is the largest gradient norm in place of the training's own.

        Raises:
            Diverged: the loss or its gradient is not finite; the weights are unchanged.
        """
        rate, *_ = self.pace(self.samples_seen, self.samples)
        for group in optimizer.param_groups:
            group["lr"] = group.setdefault("full_lr", group["lr"]) * rate
        optimizer.zero_grad(set_to_none=True)
        logs: dict[str, Tensor] = {}
        for number, (part, share) in enumerate(zip(parts, _shares(parts), strict=True), start=1):
            with nullcontext() if number == len(parts) else self._without_sync():
                value, log = loss(part)
                self.manual_backward(value * share)
            logs = {name: logs.get(name, 0) + share * x.detach() for name, x in log.items()}
        # Computed even without clipping: a finite loss may have a gradient that is not finite. The
        # gradient is that of all ranks, so all of them clip alike.
        norm = nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
        if (bound := self.clip if clip is None else clip) is not None:
            largest = bound if isinstance(bound, int | float) else bound(norm.item())
            nn.utils.clip_grads_with_norm_(parameters, largest, norm)
        logs["grad_norm"] = norm
        self.refuse_nonfinite(logs)
        optimizer.step()
        return logs

    def pace(self, seen: int, samples: int) -> tuple[float, ...]:
        """Compute all factors of a step that depend on the length of the training.

        Args:
            seen: samples seen before the step.
            samples: length of the training.

        Returns:
            The factor of the learning rate and the bound of the average's decay; more may follow.
        """
        return self.schedule(seen, samples), self._largest_decay(seen, samples)

    def refuse_nonfinite(self, values: dict[str, Tensor]) -> None:
        """Stop training, on all ranks at once, if one of these scalars is NaN or infinite on any.

        Raises:
            Diverged: with the names of these scalars.
        """
        together = torch.stack([value.float() for value in values.values()])
        finite = torch.isfinite(together).tolist()  # one synchronisation for all scalars
        wrong = [name for name, sound in zip(values, finite, strict=True) if not sound]
        if distributed.anywhere(bool(wrong)):
            wrong = wrong or ["a value of another process"]
            raise Diverged(f"{', '.join(wrong[:5])} not finite after {self.samples_seen} samples")

    def configure_optimizers(self) -> list[Optimizer]:
        return [self.make_optimizer(trained(self.model))]

    def train_dataloader(self) -> Iterable[Batch]:
        # Lightning has just set a handler that calls a collective operation wherever the signal
        # arrives and can deadlock the ranks; it restores the previous ones at the end. Until now a
        # signal stopped the run at once, for there was nothing to save.
        self.stop.listen()
        return self.batches(self)

    def told_to_stop(self) -> int:
        """Number of the signal that asked any rank to stop, 0 if none did; a collective call.

        Raises:
            Stopped: a rank that had not begun yet, and so had nothing to save, has ended already.
        """
        try:
            return distributed.largest(self.stop.asked or 0)
        except RuntimeError as error:
            if self.stop.asked:
                raise Stopped(self.stop.asked) from error
            raise

    def setup(self, stage: str) -> None:
        for module in self.frozen:
            module.to(self.device).eval().requires_grad_(False)

    def on_fit_start(self) -> None:
        self.options = [_options(optimizer) for optimizer in self.trainer.optimizers]

    def on_train_start(self) -> None:
        # A checkpoint restores the options of its time, too: those of the configuration count.
        for optimizer, options in zip(self.trainer.optimizers, self.options, strict=True):
            for group, own in zip(optimizer.param_groups, options, strict=True):
                group.update(own, full_lr=own["lr"])

    def on_save_checkpoint(self, checkpoint: dict) -> None:
        checkpoint["samples_seen"] = self.samples_seen
        if isinstance(self.clip, AdaptiveClip):
            checkpoint["clip"] = self.clip.norms

    def on_load_checkpoint(self, checkpoint: dict) -> None:
        self.samples_seen = checkpoint["samples_seen"]
        if isinstance(self.clip, AdaptiveClip):  # a run may have gone on with it
            self.clip.norms = checkpoint.get("clip", self.clip.norms)
        # Lightning would skip the batches seen so far a second time: the data order already starts
        # at `samples_seen`.
        checkpoint.pop("loops", None)

    def _largest_decay(self, seen: int, samples: int) -> float:
        interval = self.batch_size * self.ema_every
        update, short = seen // interval, self.ema.decay ** (samples / interval) > 0.01
        warm = short if self.ema_warmup is None else self.ema_warmup
        return (1 + update) / (10 + update) if warm else 1.0

    def _parts(self, batch: Batch) -> list[Batch]:
        chunks = {key: value.chunk(self.accumulate) for key, value in batch.items()}
        count = min(len(chunk) for chunk in chunks.values())
        return [{key: chunk[i] for key, chunk in chunks.items()} for i in range(count)]

    def _without_sync(self):
        strategy = self.trainer.strategy
        return getattr(strategy, "block_backward_sync", nullcontext)()


def trained(*modules: nn.Module) -> list[nn.Parameter]:
    """Trainable parameters of modules."""
    return [p for module in modules for p in module.parameters() if p.requires_grad]


def _options(optimizer: Optimizer) -> list[dict[str, Any]]:
    """Options of each group of parameters, such as the learning rate."""
    return [
        {key: value for key, value in group.items() if key != "params"}
        for group in optimizer.param_groups
    ]


def _shares(parts: list[Batch]) -> list[float]:
    """Fraction of the batch's samples in each part: the last part may be smaller."""
    sizes = [len(next(iter(part.values()))) for part in parts]
    return [size / sum(sizes) for size in sizes]
