"""Shared parts of the commands: `key=value` arguments and exit codes."""

import functools
import os
import sys
import textwrap
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import yaml

from ldm.allocation import keep_freed_memory
from ldm.config.compose import ConfigError
from ldm.config.validate import allow, check_seed
from ldm.stopping import Stop, Stopped

__all__ = ["command", "explained", "take", "take_conditions"]

WRONG_INPUT = 2
Main = Callable[[list[str]], None]


def command(
    main: Main | None = None, *, choices: Callable[[], Mapping[str, Sequence[str]]] = dict
) -> Any:
    """Turn a function of the arguments into a command with a help text and exit codes.

    Errors that users can fix become a message on stderr and an exit code, 2 for bad input.

    A command's module imports at its top only what this one does: torch, diffusers and Lightning
    take seconds, so functions that need them import them, and help and misspelt keys do not wait.

    Args:
        main: called with the arguments; None to decorate with `choices`.
        choices: the names to choose from that the help text lists below the module's docstring.
    """
    if main is None:
        return functools.partial(command, choices=choices)

    @functools.wraps(main)
    def run(arguments: list[str]) -> None:
        if {"-h", "--help"} & set(arguments):
            return print(_help(sys.modules[main.__module__].__doc__, choices()))
        _quiet_lightning()
        keep_freed_memory()
        with Stop(at_once=True):
            try:
                main(_permitted(arguments))
            except Stopped as stopped:
                _end(stopped)
            except Exception as error:
                if (said := explained(error)) is None:
                    raise
                _fail(*said)

    return run


def _help(usage: str, choices: Mapping[str, Sequence[str]]) -> str:
    lists = [
        textwrap.fill(", ".join(names), 100, initial_indent=f"  {key}: ", subsequent_indent=" " * 6)
        for key, names in choices.items()
    ]
    return "\n".join([usage.rstrip(), *(["", "Choices:", *lists] if lists else [])])


def explained(error: Exception) -> tuple[str, int] | None:
    """Message and exit code for an error that users can fix; None for any other."""
    if isinstance(error, ConfigError | OSError):  # OSError: a full disk, a missing file
        return str(error), WRONG_INPUT
    # What raised the error has imported these modules already, or is none of them.
    import torch
    from pytorch_lightning.utilities.exceptions import MisconfigurationException

    from data import DataError
    from ldm.hub.weights import BadCheckpoint
    from ldm.samplers import Unsolved
    from ldm.training import Diverged

    if isinstance(error, DataError | BadCheckpoint | MisconfigurationException):
        return str(error), WRONG_INPUT
    if isinstance(error, torch.distributed.DistError) or "gloo" in str(error):
        reason = str(error).partition(". ")[0]
        return (
            f"another process of this job has ended, so this one cannot go on: the same command "
            f"goes on from the last checkpoint ({reason})",
            1,
        )
    if isinstance(error, MemoryError | torch.OutOfMemoryError) or "allocate memory" in str(error):
        return f"out of memory: lower batch_size, or raise trainer.accumulate ({error})", 1
    if isinstance(error, TypeError) and "MPS" in str(error) and "float64" in str(error):
        return (
            "this experiment computes in float64, which Apple's GPUs (MPS) have not: add "
            "trainer.accelerator=cpu",
            WRONG_INPUT,
        )
    return (str(error), 1) if isinstance(error, Diverged | Unsolved) else None


def _end(stopped: Stopped) -> None:
    """End the process as a signal asked it to; the first of a job says so."""
    from ldm import distributed

    if distributed.leads():
        _fail(str(stopped), stopped.code)
    # Lightning kills the first rank if another fails: not while it saves what is kept, but where it
    # may be waiting for this one.
    sys.exit(0 if stopped.kept else stopped.code)


def _permitted(arguments: list[str]) -> list[str]:
    """Apply `allow=...`, which names the user's own packages, and return the other arguments."""
    for argument in (one for one in arguments if one.startswith("allow=")):
        allow(argument.removeprefix("allow="))
        if os.getcwd() not in sys.path:
            sys.path.append(os.getcwd())  # the package may be in the working folder
    return [one for one in arguments if not one.startswith("allow=")]


def take_conditions(arguments: list[str]) -> tuple[dict[str, Any], list[str]]:
    """Separate conditions of samples, `condition.<key>=<value>`, from the other arguments.

    Values are YAML: numbers, texts, lists in brackets.

    Raises:
        ConfigError: a value cannot be read.
    """
    asked, rest = {}, []
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if equals and key.startswith("condition."):
            asked[key.removeprefix("condition.")] = _value(key, value)
        else:
            rest.append(argument)
    return asked, rest


def _value(key: str, value: str) -> Any:
    """Read a condition; a sentence such as `a sign: "stop"` is a text, whatever it is in YAML."""
    bracketed = value.startswith(("[", "{"))
    try:
        read = yaml.safe_load(value)
    except yaml.YAMLError as error:
        if bracketed:
            raise ConfigError(f"{key} cannot be read: {error}") from error
        return value
    return read if bracketed or not isinstance(read, dict | list) else value


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
    check_seed(own.get("seed", 0))
    return own, rest


def _quiet_lightning() -> None:
    # Its warnings concern hardware, loggers and modes that are intended here.
    for package in ("pytorch_lightning", "lightning_fabric"):
        warnings.filterwarnings("ignore", module=package)


def _fail(message: str, code: int) -> None:
    print(f"error: {message}", file=sys.stderr)
    sys.exit(code)
