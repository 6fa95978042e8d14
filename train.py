"""Train an experiment: its stages in order, finished ones skipped, interrupted ones resumed.

python train.py experiment=demo/digits [stage=prior] [describe=true] [key=value ...]
python train.py --multirun experiment=demo/digits seed=0,1,2
"""

import sys

import hydra
from omegaconf import DictConfig

from eval.evaluate import evaluate
from ldm import distributed
from ldm.build import build_data, build_part, build_tokenizer
from ldm.commands import command
from ldm.config import CONFIGS, compose, resolved
from ldm.describe import describe
from ldm.experiment import Parts, train_stages


def train(config: DictConfig) -> tuple[dict[str, float], Parts]:
    """Train what is not trained yet, then evaluate; returns the metrics and what was built."""
    data = build_data(config)
    build_part(config, "eval").check(data, build_tokenizer(config, "meta"))  # not after days
    parts = train_stages(config, data)
    metrics = evaluate(parts)
    distributed.barrier()
    return metrics, parts


@command
def main(arguments: list[str]) -> None:
    """One experiment, or with `--multirun` a sweep."""
    if any(argument.startswith("-") for argument in arguments):
        return sweep()
    config = compose(arguments)
    if config.describe:
        return describe(config)
    train(config)


@hydra.main(config_path=str(CONFIGS), config_name="train", version_base="1.3")
def sweep(config: DictConfig) -> None:
    """One job of a sweep, in a run folder named after what is swept."""
    from hydra.core.hydra_config import HydraConfig

    config.run = f"runs/{HydraConfig.get().job.override_dirname.replace('experiment=', '')}"
    # A job may be far from the command line that sent it: it says for itself what is wrong.
    command(lambda _: train(resolved(config)))([])


if __name__ == "__main__":
    main(sys.argv[1:])
