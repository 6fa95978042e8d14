"""What training a tokenizer and training a prior have in common."""

from abc import abstractmethod
from collections.abc import Callable, Iterable
from contextlib import nullcontext

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from data import Batch
from ldm.randomness import fold, step_generator
from ldm.training.ema import EMA
from ldm.training.learning_rate import Constant

__all__ = ["Diverged", "Training"]

Loss = Callable[[Batch], tuple[Tensor, dict[str, Tensor]]]


class Diverged(RuntimeError):
    """A loss is no longer finite."""


class Training(pl.LightningModule):
    """Trains one model, counting in samples.

    One step reads one batch of `batch_size` samples over all ranks, in `accumulate` parts, and
    draws all its randomness from (seed, rank, samples seen). So a checkpoint between two steps is
    enough to go on exactly, and there is no other kind.

    Args:
        model: what is trained.
        optimizer: maker of an optimizer from parameters.
        samples: how many to train on, repeats counted.
        batch_size: samples of one optimizer step, over all ranks.
        seed: of data order and noise.
        ema: decay of the averaged weights at each step.
        ema_warmup: keep the decay below (1 + n) / (10 + n) at step n.
        clip: largest gradient norm, None for no limit.
        schedule: factor of the learning rate, as a function of samples seen and in all.

    Raises:
        ValueError: a number is of no use, or the optimizer refuses it or the model.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
        samples: int,
        batch_size: int,
        seed: int,
        ema: float = 0.999,
        ema_warmup: bool = False,
        clip: float | None = None,
        schedule: Callable[[int, int], float] | None = None,
    ) -> None:
        super().__init__()
        if samples < 1 or batch_size < 1:
            raise ValueError(
                f"training needs 1 sample or more, in batches of 1 or more, got {samples} and "
                f"{batch_size}"
            )
        if clip is not None and not clip > 0:
            raise ValueError(f"clip must be above 0, or null for no limit, got {clip}")
        self.automatic_optimization = False
        self.model = model
        self.ema = EMA(model, ema)
        self.ema_warmup = ema_warmup
        self.make_optimizer = optimizer
        self._check_optimizer()
        self.samples, self.batch_size, self.seed, self.clip = samples, batch_size, seed, clip
        self.schedule = schedule or Constant()
        self.samples_seen = 0
        self.accumulate = 1
        self.batches: Callable[["Training"], Iterable[Batch]] | None = None
        """Set by whoever runs the stage: the batches that are left to be seen by this rank."""
        self.frozen: list[nn.Module] = []  # in a list: not parameters of this module, never saved

    def _check_optimizer(self) -> None:
        """Build the optimizer once on parameters without storage, so that bad options fail now."""
        trained = [p for p in self.model.parameters() if p.requires_grad]
        alike = [nn.Parameter(torch.zeros((), device="cpu").expand(p.shape)) for p in trained]
        for group in self.make_optimizer(alike).param_groups:
            if not group["lr"] > 0:
                raise ValueError(f"optimizer: a learning rate must be above 0, got {group['lr']}")

    @abstractmethod
    def optimize(self, parts: list[Batch], generator: torch.Generator) -> dict[str, Tensor]:
        """One step of each optimizer on the parts of one batch; returns what to log."""

    def training_step(self, batch: Batch, index: int) -> None:
        rank, seen = self.global_rank, self.samples_seen
        torch.manual_seed(fold(self.seed, rank, seen, 1))  # of dropout, which takes no generator
        generator = step_generator(self.seed, rank, seen, self.device)
        logs = self.optimize(self._parts(batch), generator)
        self.samples_seen += self.batch_size
        self.ema.update(self.model, self._largest_decay())
        self.logs = logs

    def minimize(
        self, optimizer: Optimizer, parameters: list[nn.Parameter], loss: Loss, parts: list[Batch]
    ) -> dict[str, Tensor]:
        """One optimizer step on the mean loss of the batch; returns the mean of what parts log.

        Raises:
            Diverged: the loss or its gradient is not finite; the weights are as they were before.
        """
        rate = self.schedule(self.samples_seen, self.samples)
        for group in optimizer.param_groups:
            group["lr"] = group.setdefault("full_lr", group["lr"]) * rate
        optimizer.zero_grad(set_to_none=True)
        logs: dict[str, Tensor] = {}
        for number, (part, share) in enumerate(zip(parts, _shares(parts), strict=True), start=1):
            with nullcontext() if number == len(parts) else self._without_sync():
                value, log = loss(part)
                self.manual_backward(value * share)
            logs = {name: logs.get(name, 0) + share * x.detach() for name, x in log.items()}
        # Measured even where nothing is clipped: a finite loss may have a gradient that is not,
        # and the norm is that of all ranks' gradient, so all of them stop at the same step.
        norm = nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
        if self.clip is not None:
            nn.utils.clip_grads_with_norm_(parameters, self.clip, norm)
        logs["grad_norm"] = norm
        self.refuse_nonfinite(logs)
        optimizer.step()
        return logs

    def refuse_nonfinite(self, values: dict[str, Tensor]) -> None:
        """Stop training where one of these scalars, named in the message, is NaN or infinite.

        Raises:
            Diverged: as it says.
        """
        together = torch.stack([value.float() for value in values.values()])
        finite = torch.isfinite(together).tolist()  # one wait for the device, not one a name
        wrong = [name for name, sound in zip(values, finite, strict=True) if not sound]
        if wrong:
            raise Diverged(
                f"{', '.join(wrong[:5])} not finite after {self.samples_seen} samples: the last "
                f"checkpoint is kept; lower the learning rate, set a gradient clip, or train with "
                f"trainer.precision=32-true"
            )

    def configure_optimizers(self) -> list[Optimizer]:
        return [self.optimizer_of(self.model)]

    def optimizer_of(self, module: nn.Module) -> Optimizer:
        """Of what is trained in a module, not of frozen parts."""
        return self.make_optimizer([p for p in module.parameters() if p.requires_grad])

    def train_dataloader(self) -> Iterable[Batch]:
        return self.batches(self)

    def setup(self, stage: str) -> None:
        for module in self.frozen:
            module.to(self.device).eval().requires_grad_(False)

    def on_save_checkpoint(self, checkpoint: dict) -> None:
        checkpoint["samples_seen"] = self.samples_seen

    def on_load_checkpoint(self, checkpoint: dict) -> None:
        self.samples_seen = checkpoint["samples_seen"]
        # Lightning's own position would count the batches seen a second time: the order of the
        # data starts at `samples_seen`.
        checkpoint.pop("loops", None)

    def _largest_decay(self) -> float:
        step = self.samples_seen // self.batch_size
        return (1 + step) / (10 + step) if self.ema_warmup else 1.0

    def _parts(self, batch: Batch) -> list[Batch]:
        chunks = {key: value.chunk(self.accumulate) for key, value in batch.items()}
        count = min(len(chunk) for chunk in chunks.values())
        return [{key: chunk[i] for key, chunk in chunks.items()} for i in range(count)]

    def _without_sync(self):
        strategy = self.trainer.strategy
        return getattr(strategy, "block_backward_sync", nullcontext)()


def _shares(parts: list[Batch]) -> list[float]:
    """Each part's share of the batch's samples: the last may be smaller."""
    sizes = [len(next(iter(part.values()))) for part in parts]
    return [size / sum(sizes) for size in sizes]
