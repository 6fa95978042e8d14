"""An evaluation: a list of scorers with shared arguments."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hydra.utils import get_object
from omegaconf import OmegaConf

from eval.record import Record
from eval.scorers import SCORERS, Scorer
from ldm.config.signatures import ConfigError, check_type, refuse_unknown, suggest
from ldm.run.parts import Parts, build_part

__all__ = ["Evaluation"]


class Evaluation(Scorer):
    """Scores a run with each scorer of a list, in order.

    Args:
        scorers: names, see `eval.scorers`, or nodes with a `_target_`.
        **shared: arguments, each passed to all scorers that have one of this name, unless the
            scorer's own node sets it.

    Raises:
        ConfigError: an unknown scorer, an argument that no scorer has, or one of another type.

    Example:
        >>> evaluation = Evaluation(["reconstructions", "samples"], samples=50)
        >>> [type(scorer).__name__ for scorer in evaluation.scorers]
        ['Reconstructions', 'Samples']
    """

    def __init__(self, scorers: Sequence[str | Mapping], **shared: Any) -> None:
        node = _plain({"scorers": scorers, **shared})
        self.check_node("eval", node)
        scorers = node.pop("scorers")
        shared = {key: _built(key, value) for key, value in node.items()}
        self.scorers: list[Scorer] = []
        for number, one in enumerate(scorers):
            kinds = _parameters(_class(f"eval.scorers.{number}", one))
            given = {key: value for key, value in shared.items() if key in kinds}
            if isinstance(one, str):
                self.scorers.append(SCORERS[one](**given))
            else:
                given = {key: value for key, value in given.items() if key not in one}
                place = f"scorers_{number}"
                self.scorers.append(build_part(OmegaConf.create({place: one}), place, **given))

    @staticmethod
    def check_node(place: str, node: Mapping[str, Any]) -> None:
        """Check an evaluation's configuration before anything is built.

        An empty list accepts any scorer's arguments, so that `eval=none` works with experiments
        that set some.

        Raises:
            ConfigError: with the place, and the nearest valid name or the expected type.
        """
        scorers = node.get("scorers", ())
        kinds = [
            _parameters(_class(f"{place}.scorers.{number}", one))
            for number, one in enumerate(scorers)
        ]
        shared = [key for key in node if key != "scorers" and not key.startswith("_")]
        for key in shared:
            takers = [kind[key] for kind in kinds if key in kind]
            others = [name for name, scorer in SCORERS.items() if key in _parameters(scorer)]
            if kinds and not takers and others:
                raise ConfigError(
                    f"{place}.{key} is of no use to the scorers {', '.join(_names(scorers))}: it "
                    f"is for {', '.join(others)}; list one of these in {place}.scorers, or leave "
                    f"it out, ~{place}.{key}"
                )
            if not takers and not others:
                known = kinds or map(_parameters, SCORERS.values())
                refuse_unknown(place, [key], dict.fromkeys(name for kind in known for name in kind))
            for kind in takers:
                check_type(f"{place}.{key}", node[key], kind)

    def check(self, parts: Parts) -> None:
        for scorer in self.scorers:
            scorer.check(parts)

    def score(self, parts: Parts, record: Record) -> None:
        for scorer in self.scorers:
            scorer.score(parts, record)


def _class(place: str, scorer: str | Mapping) -> type[Scorer]:
    """Find the class of a scorer in the list.

    Raises:
        ConfigError: the name is unknown, or the node has no `_target_`.
    """
    if isinstance(scorer, str):
        if scorer not in SCORERS:
            raise ConfigError(f"{place}: no scorer {scorer!r}{suggest(scorer, SCORERS)}")
        return SCORERS[scorer]
    if "_target_" not in scorer:
        raise ConfigError(f"{place} must be the name of a scorer, or have a _target_, got {scorer}")
    return get_object(scorer["_target_"])


def _parameters(scorer: type[Scorer]) -> dict[str, Any]:
    """Types of the arguments of a scorer's constructor, by name."""
    found = inspect.signature(scorer).parameters.values()
    named = (one for one in found if one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL))
    return {one.name: one.annotation for one in named}


def _names(scorers: Sequence[str | Mapping]) -> Iterator[str]:
    return (one if isinstance(one, str) else one["_target_"] for one in scorers)


def _plain(node: Mapping[str, Any]) -> dict[str, Any]:
    """Convert OmegaConf's containers, which Hydra passes on, to plain ones."""
    return {
        key: OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
        for key, value in node.items()
    }


def _built(key: str, value: Any) -> Any:
    """Build a shared node with a `_target_`; other values are returned unchanged."""
    if isinstance(value, Mapping) and "_target_" in value:
        return build_part(OmegaConf.create({key: value}), key)
    return value
