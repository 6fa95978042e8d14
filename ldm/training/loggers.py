"""Loggers beside metrics.csv: each shows an experiment as one run, its stages as prefixes."""

import json
import os
import secrets
from abc import abstractmethod
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pytorch_lightning.loggers import Logger
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from data.files.whole import write_whole

__all__ = ["RunLogger", "TensorBoard", "WandB"]


class RunLogger(Logger):
    """A logger of an experiment as one run, in which no step of a stage appears twice.

    A resumed stage repeats the steps after its checkpoint, to the same numbers, and neither service
    can take back what it was given. So the last step of each name is kept in the stage's folder,
    and steps up to it are left out.

    Args:
        folder: of the stage, inside the run's.
        run: name of the run folder.
        part: name of the stage, or "evaluation": the prefix of all names.
        config: of the experiment.
    """

    version = ""

    def __init__(self, folder: Path, run: str, part: str, config: dict[str, Any]) -> None:
        super().__init__()
        self.run, self.part, self.config = run, part, config
        depth = len(Path(part).parts)
        self.home = folder.parents[depth - 1] / self.name  # of the files of all stages
        self.path = folder / f"{self.name}.json"
        self.last: dict[str, int] = json.loads(self.path.read_text()) if self.path.exists() else {}

    @property
    def name(self) -> str:
        """Name of the service, and of the files."""
        return type(self).__name__.lower()

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Log numbers; without a step, at the one after the last."""
        step = self._after(metrics) if step is None else step
        new = {name: x for name, x in metrics.items() if self.last.get(name, -1) < step}
        if new:
            self.write({f"{self.part}/{name}": value for name, value in new.items()}, step)
            self._keep(new, step)

    @rank_zero_only
    def log_picture(self, name: str, path: Path, step: int | None = None) -> None:
        """Log a picture or clip in a file; without a step, at the one after the last."""
        name = f"{name}{path.suffix}"
        step = self._after([name]) if step is None else step
        if self.last.get(name, -1) < step:
            self.write_picture(f"{self.part}/{name}", path, step)
            self._keep([name], step)

    @abstractmethod
    def write(self, metrics: dict[str, float], step: int) -> None:
        """Pass numbers to the service."""

    @abstractmethod
    def write_picture(self, name: str, path: Path, step: int) -> None:
        """Pass a PNG or GIF to the service."""

    def log_hyperparams(self, *args, **kwargs) -> None:
        """Do nothing: the configuration is given to the constructor."""

    def _after(self, names: Iterable[str]) -> int:
        return 1 + max((self.last.get(name, 0) for name in names), default=0)

    def _keep(self, names: Iterable[str], step: int) -> None:
        self.last |= dict.fromkeys(names, step)
        write_whole(self.path, lambda path: path.write_text(json.dumps(self.last)))


class TensorBoard(RunLogger):
    """Writes event files to the folder `tensorboard` of the run."""

    def __init__(self, folder: Path, run: str, part: str, config: dict[str, Any]) -> None:
        super().__init__(folder, run, part, config)
        self._writer = None

    @property
    def writer(self) -> Any:
        """The writer of event files, opened at first use."""
        if self._writer is None:
            from torch.utils.tensorboard import SummaryWriter

            self._writer = SummaryWriter(self.home)
        return self._writer

    def write(self, metrics: dict[str, float], step: int) -> None:
        for name, value in metrics.items():
            self.writer.add_scalar(name, value, step)
        self.writer.flush()  # before the step is kept as logged

    def write_picture(self, name: str, path: Path, step: int) -> None:
        from PIL import Image
        from tensorboard.compat.proto.summary_pb2 import Summary

        with Image.open(path) as picture:
            width, height = picture.size
        content = path.read_bytes()  # whole, since torch's add_image would take one frame of a clip
        image = Summary.Image(width=width, height=height, encoded_image_string=content)
        summary = Summary(value=[Summary.Value(tag=name, image=image)])
        self.writer.file_writer.add_summary(summary, step)
        self.writer.flush()

    @rank_zero_only
    def finalize(self, status: str) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None


class WandB(RunLogger):
    """Logs to Weights & Biases: offline, for later upload, unless logged in.

    All stages, and the same run resumed in another process, are one run of the service, whose
    identifier is kept in the run folder. It is finished when the process ends.

    Args:
        folder: of the stage, inside the run's.
        run: name of the run folder.
        part: name of the stage, or "evaluation": the prefix of all names.
        config: of the experiment.
        project: name of the project on the service.
    """

    def __init__(
        self, folder: Path, run: str, part: str, config: dict[str, Any], project: str = "ldm"
    ) -> None:
        super().__init__(folder, run, part, config)
        self.project = project

    def write(self, metrics: dict[str, float], step: int) -> None:
        self._log(metrics, step)

    def write_picture(self, name: str, path: Path, step: int) -> None:
        from wandb import Image, Video

        shown = Video(str(path), format="gif") if path.suffix == ".gif" else Image(str(path))
        self._log({name: shown}, step)

    def _log(self, values: dict[str, Any], step: int) -> None:
        # Each stage counts its samples from zero, and the service's own step cannot go back.
        axis = f"{self.part}/samples"
        one = self._open()
        one.define_metric(f"{self.part}/*", step_metric=axis)
        one.log({**values, axis: step})

    def _open(self) -> Any:
        """The run of the service, which earlier stages of this process may have opened."""
        import wandb

        path = self.home / "run_id"
        if not path.exists():
            write_whole(path, lambda part: part.write_text(secrets.token_hex(4)))
        identifier = path.read_text()
        if wandb.run is not None and wandb.run.id == identifier:
            return wandb.run
        offline = "WANDB_MODE" not in os.environ and not wandb.login(prompt=False, verify=False)
        return wandb.init(
            id=identifier,
            resume="allow",
            reinit="finish_previous",
            name=self.run,
            project=self.project,
            dir=self.home.parent,
            config=self.config,
            mode="offline" if offline else None,
        )
