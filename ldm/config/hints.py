"""Hints in error messages for configurations that cannot be composed."""

from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from ldm.config.groups import CONFIGS, is_group, keys_of, members, root, search_path
from ldm.config.signatures import suggest

__all__ = ["exchanged", "explain", "unreadable"]


def explain(error: Exception, overrides: list[str]) -> str:
    """Identify the override that Hydra rejected, and suggest the nearest valid name or quotes."""
    if (reason := unreadable(overrides)) is not None:
        return reason
    for override in overrides:
        key, value = _assigned(override)
        if key.startswith("hydra") or override.startswith("++"):
            continue
        if is_group(key):
            if value not in members(key):
                return f"no {key} {value!r}{suggest(value, members(key))}"
            continue
        groups = [o for o in overrides if is_group(_assigned(o)[0])]
        try:
            config = hydra_compose("train", [*groups, *search_path()])
        except (HydraException, OmegaConfBaseException, ValueError, TypeError):
            continue
        if key not in (known := keys_of(config)):
            return f"unknown key {key!r}{suggest(key, known)}"
    cause = f": {str(error.__cause__).splitlines()[0]}" if str(error.__cause__ or "") else ""
    return f"the configuration cannot be composed: {error}{cause}"


def _assigned(override: str) -> tuple[str, str]:
    """Key and value, of a group without the place that it is put at, `group@place`."""
    key, _, value = override.lstrip("+~").partition("=")
    return key.partition("@")[0], value


def unreadable(overrides: list[str], sweep: bool = False) -> str | None:
    """Phrase for the first override that Hydra's grammar takes otherwise than it was meant.

    Args:
        overrides: as on the command line.
        sweep: True if overrides may list values that are separated by commas.
    """
    for override in overrides:
        key, equals, value = override.partition("=")
        if not key.strip("+~ ") or not (equals or override.startswith("~")):
            return f"expected key=value, got {override!r}"
        escaped = value.replace("'", "\\'")
        quoted = f"put the value in quotes, and all in those of the shell: \"{key}='{escaped}'\""
        try:
            [parsed] = OverridesParser.create().parse_overrides([override])
        except HydraException:
            signs = "=()[]{},:#'\""
            return f"{override} cannot be read: if {signs} or outer spaces are meant, {quoted}"
        except RecursionError:
            return f"{override[:60]}... is nested too deeply to be read"
        if parsed.is_sweep_override() and not sweep:
            return f"{override} is a sweep over several values: add --multirun, or else {quoted}"
    return None


def _defaults() -> list[DictConfig]:
    """Choices of groups that hold where no experiment makes others."""
    defaults = root().defaults
    return [one for one in defaults if isinstance(one, DictConfig)]


def exchanged(experiment: str | None, overrides: list[str], error: str) -> str:
    """Hint for a command line that swaps a group that the experiment sets; empty if it does not.

    An experiment's overrides were written for its own choice of groups. What the error does not
    speak of, and groups that the experiment leaves as they are, are not the reason.
    """
    if experiment is None:
        return ""
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        given = [f"experiment={experiment}", *search_path()]
        own = hydra_compose("train", given, return_hydra_config=True)
    choices = own.hydra.runtime.choices
    asked = dict(override.split("=", 1) for override in overrides if "=" in override)
    usual = {k: v for one in _defaults() for k, v in one.items()}
    others = {
        key: choices[key]
        for key in asked
        if choices.get(key, asked[key]) not in (asked[key], usual.get(key))
        and f"{key.replace('/', '.')}." in error
    }
    if others.pop("experiment", None) is not None or not others:
        return ""
    kept = " ".join(f"{key}={member}" for key, member in others.items())
    return (
        f"; the settings of experiment={experiment} are for {kept}: keep that, or name all groups "
        f"and run=... without an experiment"
    )
