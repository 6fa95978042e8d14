"""Progress of training with loss, speed and memory: a bar on a terminal, lines elsewhere."""

import sys
import time

import pytorch_lightning as pl
import torch

from ldm.progress import progress_bar
from ldm.training.training import Training

__all__ = ["ShowProgress", "peak_resident"]


class ShowProgress(pl.Callback):
    """Shows samples, remaining time, loss, speed and memory: a bar on a terminal, else lines.

    `outside` is the share of time outside training steps: loading, logging, pictures.

    Args:
        name: of the stage.
        every: samples between two lines if the output is not a terminal.
    """

    def __init__(self, name: str, every: int) -> None:
        self.name, self.every = name, every

    def on_train_start(self, trainer, module: Training) -> None:
        self.start, self.first = time.perf_counter(), module.samples_seen
        self.inside = 0.0
        self.bar = progress_bar(refresh_per_second=4)
        self.task = self.bar.add_task(
            self.name, total=module.samples, completed=module.samples_seen, remarks=""
        )
        if trainer.is_global_zero:
            self.bar.start()

    def on_train_batch_start(self, *_) -> None:
        self.begun = time.perf_counter()

    def on_train_batch_end(self, trainer, module: Training, *_) -> None:
        self.inside += time.perf_counter() - self.begun
        if not trainer.is_global_zero:
            return
        seen, before = module.samples_seen, module.samples_seen - module.batch_size
        if self.bar.disable:
            if seen // self.every > before // self.every or seen >= module.samples:
                print(f"{self.name}: {seen:,}/{module.samples:,} samples, {self.remarks(module)}")
        else:
            # Reading the loss synchronises with the GPU, so not at every step.
            step = module.samples_seen // module.batch_size
            text = {"remarks": self.remarks(module)} if step % 20 == 0 else {}
            self.bar.update(self.task, completed=min(seen, module.samples), **text)

    def on_train_end(self, *_) -> None:
        self.bar.stop()

    def on_exception(self, *_) -> None:
        if hasattr(self, "bar"):
            self.bar.stop()

    def remarks(self, module: Training) -> str:
        """Format loss, samples per second, time left, share of time outside steps, peak memory."""
        gone = time.perf_counter() - self.start
        rate = (module.samples_seen - self.first) / gone
        outside = 1 - self.inside / gone
        left = (module.samples - module.samples_seen) / rate
        return (
            f"loss {module.logs['loss'].item():.4g}, {rate:,.0f} samples/s, {left:,.0f} s left, "
            f"outside {outside:.0%}, {_peak_memory(module.device)}"
        )


def _peak_memory(device: torch.device) -> str:
    if device.type == "cuda":
        return f"{torch.cuda.max_memory_allocated(device) / 2**30:.1f} GiB on the GPU"
    peak = peak_resident()
    return "memory unknown" if peak is None else f"{peak / 2**30:.1f} GiB"


def peak_resident() -> int | None:
    """Largest memory of this process so far, in bytes; None on Windows, where Python lacks it."""
    try:
        import resource
    except ModuleNotFoundError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak  # macOS counts bytes, Linux KiB
