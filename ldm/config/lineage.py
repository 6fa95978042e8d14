"""Dependencies between stages: which models' latents a stage learns or is conditioned on."""

from omegaconf import DictConfig

from ldm.config.signatures import ConfigError, suggest
from ldm.config.validate import locate
from ldm.priors import Prior

__all__ = ["foundation", "lineage", "told"]


def foundation(config: DictConfig, name: str) -> str | None:
    """Name of the model whose latents a stage learns; None for a tokenizer of data.

    Raises:
        ConfigError: the configuration has no such stage.
    """
    node = config.get(name)
    if not isinstance(node, DictConfig) or "_target_" not in node:
        nodes = ((key, config.get(key)) for key in config)
        stages = [key for key, one in nodes if isinstance(one, DictConfig) and "training" in one]
        raise ConfigError(f"no stage {name}: choose from {', '.join(stages)}{_near(name, stages)}")
    if node.get("on") is not None:
        return node.on
    return "tokenizer" if issubclass(locate(node["_target_"], name), Prior) else None


def told(config: DictConfig, name: str) -> dict[str, str]:
    """Names of other stages whose latents condition a prior, by the condition's key."""
    return dict(config[name].get("given") or {})


def lineage(config: DictConfig, *names: str) -> list[str]:
    """Names of these stages and of all their dependencies, in topological order.

    Raises:
        ConfigError: a stage is missing, or depends on itself.
    """
    found: list[str] = []

    def visit(name: str, above: tuple[str, ...]) -> None:
        if name in above:
            raise ConfigError(f"stages stand on one another in a circle: {' -> '.join(above)}")
        below = foundation(config, name)
        for other in ([] if below is None else [below], told(config, name).values()):
            for one in other:
                visit(one, (*above, name))
        if name not in found:
            found.append(name)

    for name in names:
        visit(name, ())
    return found


def _near(name: str, stages: list[str]) -> str:
    near = suggest(name, stages)
    return f" ({near.lstrip(': ')})" if "did you mean" in near else ""
