"""Shared parts of the commands: `key=value` arguments and exit codes."""

import functools
import logging
import os
import sys
import warnings
from collections.abc import Callable
from typing import Any

import yaml
from pytorch_lightning.utilities.exceptions import MisconfigurationException, SIGTERMException

from data import DataError
from ldm import distributed
from ldm.config.compose import ConfigError
from ldm.config.validate import allow
from ldm.hub.weights import BadCheckpoint
from ldm.samplers import Unsolved
from ldm.training import Diverged

__all__ = ["command", "take", "take_conditions"]

WRONG_INPUT = 2
# OSError: a full disk, a missing file, a folder without write permission.
WRONG_INPUTS = (ConfigError, DataError, BadCheckpoint, MisconfigurationException, OSError)
STOPPED = 143  # a shell's exit code for a process ended by SIGTERM


def command(main: Callable[[list[str]], None]) -> Callable[[list[str]], None]:
    """Turn errors that users can fix into a message on stderr and an exit code, 2 for bad input."""

    @functools.wraps(main)
    def run(arguments: list[str]) -> None:
        if {"-h", "--help"} & set(arguments):
            return print(sys.modules[main.__module__].__doc__)
        _quiet_lightning()
        try:
            main(_permitted(arguments))
        except WRONG_INPUTS as error:
            _fail(str(error), WRONG_INPUT)
        except (Diverged, Unsolved) as error:
            _fail(str(error), 1)
        except SIGTERMException:
            if distributed.rank() > 0:
                sys.exit(0)  # Lightning would kill the first rank for another code
            _fail("stopped by SIGTERM, state saved: the same command goes on from there", STOPPED)

    return run


def _permitted(arguments: list[str]) -> list[str]:
    """Apply `allow=...`, which names the user's own packages, and return the other arguments."""
    for argument in (one for one in arguments if one.startswith("allow=")):
        allow(argument.removeprefix("allow="))
        if os.getcwd() not in sys.path:
            sys.path.append(os.getcwd())  # the package may be in the working folder
    return [one for one in arguments if not one.startswith("allow=")]


def take_conditions(arguments: list[str]) -> tuple[dict[str, Any], list[str]]:
    """Separate conditions of samples, `condition.<key>=<value>`, from the other arguments.

    Raises:
        ConfigError: a value cannot be read.
    """
    asked, rest = {}, []
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if equals and key.startswith("condition."):
            try:
                asked[key.removeprefix("condition.")] = yaml.safe_load(value)
            except yaml.YAMLError as error:
                raise ConfigError(f"{key} cannot be read: {error}") from error
        else:
            rest.append(argument)
    return asked, rest


def take(arguments: list[str], **kinds: Callable[[str], Any]) -> tuple[dict[str, Any], list[str]]:
    """Separate a command's own `key=value` arguments, parsed, from overrides of the configuration.

    Args:
        arguments: of the command line.
        **kinds: parsers of the command's own arguments by key.

    Raises:
        ConfigError: a value cannot be parsed.
    """
    own, rest = {}, []
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if equals and key in kinds:
            try:
                own[key] = kinds[key](value)
            except ValueError:
                raise ConfigError(f"{key} must be {kinds[key].__name__}, got {value!r}") from None
        else:
            rest.append(argument)
    return own, rest


def _quiet_lightning() -> None:
    # Its warnings concern hardware, loggers and modes that are intended here.
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    for package in ("pytorch_lightning", "lightning_fabric"):
        warnings.filterwarnings("ignore", module=package)


def _fail(message: str, code: int) -> None:
    print(f"error: {message}", file=sys.stderr)
    sys.exit(code)
