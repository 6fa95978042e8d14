"""Train an experiment: its stages in order, finished ones skipped, interrupted ones resumed.

python train.py experiment=demo/digits [stage=prior] [describe=true] [key=value ...]
python train.py --multirun experiment=demo/digits seed=0,1,2
"""

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import hydra
from omegaconf import DictConfig

from ldm.cli import command
from ldm.config.compose import ConfigError, compose, jobs, name_run, resolved
from ldm.config.groups import CONFIGS, groups, search_path

if TYPE_CHECKING:
    from ldm.run.parts import Parts


def train(config: DictConfig) -> "tuple[dict[str, float], Parts]":
    """Train the unfinished stages, then evaluate; returns the metrics and the parts.

    Raises:
        DataError: another process is writing to the run folder.
    """
    from data.files.lock import sole_use
    from eval.evaluate import evaluate
    from ldm import distributed
    from ldm.run.experiment import train_stages
    from ldm.run.parts import build_data, build_part

    with sole_use(Path(config.run)) if distributed.leads() else nullcontext():
        data = build_data(config)
        data.prepare_data()  # before models are built: the tokenizer's space may read a data file
        # The evaluation's checks run before any training: fail now, not after days.
        parts = train_stages(config, data, build_part(config, "eval").check)
        metrics = evaluate(parts)
        distributed.barrier()
    return metrics, parts


@command(choices=groups)
def main(arguments: list[str]) -> None:
    """Run one experiment, or a sweep with `--multirun`."""
    options = {argument for argument in arguments if argument.startswith("-")}
    if unknown := options - {"--multirun", "-m"}:
        raise ConfigError(f"no option {', '.join(unknown)}: there is --multirun, and key=value")
    if not options:
        configs = [compose(arguments)]
    else:  # check all jobs before the first starts
        configs = [
            compose(job, sweep=True) for job in jobs(a for a in arguments if a not in options)
        ]
    described = [config for config in configs if config.describe]
    if described:
        from ldm.run.describe import describe

        for config in described:
            describe(config)
        return
    if not options:
        train(configs[0])
        return
    sys.argv[1:] = [*arguments, *search_path()]  # Hydra reads sys.argv
    sweep()


@hydra.main(config_path=str(CONFIGS), config_name="train", version_base="1.3")
def sweep(config: DictConfig) -> None:
    """Run one job of a sweep, in a run folder named after its overrides."""
    from hydra.core.hydra_config import HydraConfig

    hydra_config = HydraConfig.get()
    name_run(config, hydra_config.runtime.choices.experiment, hydra_config.overrides.task)
    # A job may run on another machine than the command line, so it reports its own errors.
    command(lambda _: train(resolved(config)))([])


if __name__ == "__main__":
    main(sys.argv[1:])
