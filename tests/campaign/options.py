"""Training options that cannot work: one message each, before anything is trained."""

from collections.abc import Iterator
from pathlib import Path

from campaign.processes import attempt, command, expect, refusal

__all__ = ["options"]

WRONG = [
    "prior.training.ema=2",
    "tokenizer.training.clip=nan",
    "prior.training.optimizer.lr=inf",
    "trainer.accumulate=0",
    "trainer.devices=0",
    "trainer.precision=bf16-true",
    "trainer.callbacks=[{_target_:torch.nn.ReLU}]",
]
ELSEWHERE = [
    "trainer.devices=-1",
    "trainer.accelerator=gpu",
    "trainer.accumulate=1000000",
    "prior.training.batch_size=99999999999999999999999",
]
"""Options that cannot be trained with on this machine."""


def options(folder: Path) -> Iterator[tuple[str, str]]:
    """Describe and train with each option; yields trials and outcomes."""
    folder.mkdir()
    for number, option in enumerate([*WRONG, *ELSEWHERE]):
        yield option, attempt(_refused, folder / str(number), option)


def _refused(folder: Path, option: str) -> str:
    folder.mkdir()
    run, log = folder / "run", folder / "log"
    started = refusal(command(run, option), log)
    expect(started is not None, "trains")
    expect(not list(run.glob("*/*")), f"leaves {list(run.glob('*/*'))}")
    described = refusal(command(run, option, "describe=true"), log)
    if option in WRONG:
        expect(described == started, f"describe says {described}; training says {started}")
    key = option.partition("=")[0].rpartition(".")[2]
    expect(key in started, f"does not name {key}: {started}")
    return started[:60]
