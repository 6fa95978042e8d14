"""The prior of another run, to guide by (autoguidance)."""

from functools import cache

from ldm import distributed
from ldm.config.compose import ConfigError
from ldm.priors import Prior
from ldm.run.loading import load_run

__all__ = ["WeakPrior"]


class WeakPrior:
    """The trained prior of a run folder, which is loaded once in a process.

    Args:
        folder: of the run.

    Raises:
        ConfigError: there is no such run, or it has no finished prior.
        BadCheckpoint: its file is damaged.
    """

    def __init__(self, folder: str) -> None:
        self.prior = _load(folder)


@cache
def _load(folder: str) -> Prior:
    prior = load_run(folder, []).prior
    if prior is None:
        raise ConfigError(f"{folder} has no finished prior to guide by: train its prior first")
    return prior.to(distributed.device())
