"""Train an experiment: its stages in order, finished ones skipped, interrupted ones resumed.

python train.py experiment=demo/digits [stage=prior] [describe=true] [key=value ...]
python train.py --multirun experiment=demo/digits seed=0,1,2
"""

import sys
import traceback
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import hydra
from omegaconf import DictConfig

from ldm.cli import command, explained
from ldm.config.compose import ConfigError, compose, name_run, resolved
from ldm.config.groups import CONFIGS, groups, search_path
from ldm.config.sweeps import jobs, key_of, swept

if TYPE_CHECKING:
    from ldm.run.parts import Parts


def train(config: DictConfig) -> "tuple[dict[str, float], Parts]":
    """Train the unfinished stages, then evaluate; returns the metrics and the parts.

    Raises:
        DataError: another process is writing to the run folder.
    """
    from data.files.lock import sole_use
    from eval.evaluate import evaluate
    from eval.running import Running
    from ldm import distributed
    from ldm.report.page import write_report
    from ldm.run.experiment import train_stages
    from ldm.run.folder import Run
    from ldm.run.parts import build_data, build_part

    with sole_use(Path(config.run)) if distributed.leads() else nullcontext():
        data = build_data(config)
        data.prepare_data()  # before models are built: the tokenizer's space may read a data file
        # The evaluation's checks run before any training: fail now, not after days.
        evaluation, running = build_part(config, "eval"), Running(build_part(config, "running"))

        def check(parts: "Parts") -> None:
            evaluation.check(parts)
            running.check(parts)

        parts = train_stages(config, data, check, running.score)
        metrics = evaluate(parts)
        if distributed.rank() == 0:
            print(write_report(Run(config.run)))
        distributed.barrier()
    return metrics, parts


@command(choices=groups)
def main(arguments: list[str]) -> None:
    """Run one experiment, or a sweep with `--multirun`."""
    options = [argument for argument in arguments if argument.startswith("-")]
    if unknown := set(options) - {"--multirun", "-m"}:
        raise ConfigError(f"no option {', '.join(unknown)}: there is --multirun, and key=value")
    overrides = [argument for argument in arguments if argument not in options]
    keys = swept(overrides) if options else []
    # All jobs of a sweep are checked before the first starts.
    configs = {}
    for job in jobs(overrides) if options else [overrides]:
        config = compose(job, keys)
        if config.run in configs:
            raise ConfigError(f"two jobs of the sweep would share {config.run}: leave out run=...")
        words = [one for one in job if key_of(one) in keys]
        configs[config.run] = (config, ", ".join(words))
    if any(config.describe for config, _ in configs.values()):
        from ldm.run.describe import describe

        for config, _ in configs.values():
            describe(config)
    elif options:
        run_sweep(overrides, keys, {Path(run): words for run, (_, words) in configs.items()})
    else:
        ((config, _),) = configs.values()
        train(config)


def run_sweep(overrides: list[str], keys: list[str], folders: dict[Path, str]) -> None:
    """Run the jobs of a sweep, print their scores side by side, and name those that failed.

    Args:
        overrides: of the command line.
        keys: that are swept.
        folders: what was swept, in words, by each job's run folder.
    """
    from rich.console import Console

    from ldm import distributed
    from ldm.run.comparison import compare, failures

    others = {key_of(one) for one in overrides} - set(keys)
    # By these, a job that a launcher starts on another machine knows what it is named after.
    named = f"hydra.job.config.override_dirname.exclude_keys=[{','.join(sorted(others))}]"
    sys.argv[1:] = ["--multirun", *overrides, named, *search_path()]  # Hydra reads sys.argv
    sweep()
    if not distributed.leads():
        return
    if (table := compare(folders)) is not None:
        Console(width=None if sys.stdout.isatty() else 200).print(table)
    if failed := failures(list(folders)):
        listed = "\n".join(f"  {folder}: {reason}" for folder, reason in failed.items())
        print(f"{len(failed)} of {len(folders)} jobs failed:\n{listed}", file=sys.stderr)
        sys.exit(1)


@hydra.main(config_path=str(CONFIGS), config_name="train", version_base="1.3")
def sweep(config: DictConfig) -> None:
    """Run one job of a sweep, in a run folder of its own; if it fails, the others go on."""
    from hydra.core.hydra_config import HydraConfig

    from data.files.errors import DataError
    from data.files.whole import write_whole
    from ldm import distributed
    from ldm.run.comparison import NOTE

    own = HydraConfig.get()
    job, others = own.overrides.task, own.job.config.override_dirname.exclude_keys
    keys = {key_of(one) for one in job} - set(others)
    name_run(config, own.runtime.choices.experiment, job, keys)
    note = Path(config.run) / NOTE
    try:
        if distributed.leads():
            write_whole(note, lambda path: path.write_text("it was ended from outside\n"))
        train(resolved(config))
    except Exception as error:
        said = explained(error)
        if said is None:
            traceback.print_exc()
        message = f"{type(error).__name__}: {error}" if said is None else said[0]
        print(f"error: {message}", file=sys.stderr)
        if distributed.leads():
            with suppress(OSError, DataError):  # its folder may be what is wrong
                write_whole(note, lambda path: path.write_text(message + "\n"))
    else:
        note.unlink(missing_ok=True)


if __name__ == "__main__":
    main(sys.argv[1:])
