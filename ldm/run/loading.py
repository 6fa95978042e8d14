"""Loading the trained parts of a run folder."""

from collections.abc import Iterable
from pathlib import Path

from omegaconf import DictConfig

from data import DataError, DataModule
from ldm.config.compose import ConfigError, overridden
from ldm.config.lineage import lineage
from ldm.hub.checkpoints import SCHEME, load_into, resolve
from ldm.priors import Prior
from ldm.run.folder import Run, read_config
from ldm.run.models import build_models
from ldm.run.parts import Parts, build_data
from ldm.run.sampling import check_sampler, prepare_networks
from ldm.spaces import Space
from ldm.tokenizers import Tokenizer

__all__ = ["check_meaning", "last_config", "latent_space", "load_model", "load_parts", "load_run"]


def load_run(folder: str | Path, overrides: list[str]) -> Parts:
    """Load the trained parts of a run folder, with overrides of its configuration.

    Raises:
        ConfigError: there is no such run, its configuration is not valid, or the overrides are of
            data whose samples or conditions mean something else than those it was trained on.
        BadCheckpoint: a stage is not finished, or its file is damaged.
    """
    run = Run(folder)
    trained = overridden(last_config(run), ())
    config = overridden(trained, overrides)
    config.run = str(run.folder)
    data = build_data(config)
    if config.data != trained.data:
        check_meaning(config, config.stages, data, build_data(trained))
    return load_parts(Parts(config, data), run)


def check_meaning(
    config: DictConfig, names: Iterable[str], data: DataModule, trained: DataModule
) -> None:
    """Refuse data whose numbers do not mean what those that a run was trained on did.

    Args:
        config: of the run.
        names: of its stages, of which what they read is compared.
        data: the data now.
        trained: the data that the run was trained on, whose files may not be here.

    Raises:
        ConfigError: samples or a condition have another meaning, which the message names.
    """
    read = {"x"}
    for name in names:
        read |= {*(config[name].get("conditioning") or ()), *config[name].get("context_keys", ())}
    for key in sorted(read):
        try:
            before, now = trained.meaning(key), data.meaning(key)
        except DataError:  # of classes that are names of folders
            continue
        if before != now:
            raise ConfigError(
                f"{key} means another thing to this run: it was trained on {before}, and the data "
                f"now have {now}; set data as it was, or train on such data"
            )


def last_config(run: Run) -> DictConfig:
    """Read the configuration of the last stage that was begun, in order of dependency.

    The order of the stages decides, not the time of their files, which copying changes.

    Raises:
        ConfigError: there is no such run, or a configuration is damaged.
    """
    found: dict[tuple[int, int], DictConfig] = {}
    for path in sorted(run.folder.glob("*/config.yaml")):
        config, name = read_config(path), path.parent.name
        try:
            overridden(config, ())
            place = list(config.stages).index(name) if name in config.stages else -1
            found[len(lineage(config, name)), place] = config
        except ConfigError as error:
            raise ConfigError(f"{path} is not as training wrote it: {error}") from error
    if not found:
        raise ConfigError(f"no run at {run.folder}: train one with train.py experiment=...")
    return found[max(found)]


def load_parts(parts: Parts, run: Run) -> Parts:
    """Load the finished stages of a run; models that are already built are reused."""
    config = parts.config
    done = [name for name in config.stages if run.model(name).is_file()]
    missing = [name for name in config.stages if name not in done]
    if not parts.models:
        wanted = lineage(config, *config.stages)
        parts.models = build_models(config, parts.data, wanted)
    for name in list(parts.models):
        if isinstance(parts.models[name], Prior) and name not in done:
            del parts.models[name]
        elif name in missing and config[name].get("checkpoint") is None:
            path = run.model(name)
            raise ConfigError(f"{run.folder} is not trained to its end: {path} is missing")
        elif parts.models[name].training:
            load_model(parts, run, name)
    for name, model in parts.models.items():
        if isinstance(model, Prior):
            check_sampler(config, name, model, parts.data)
    prepare_networks(parts)
    return parts


def load_model(parts: Parts, run: Run, name: str) -> None:
    """Load a finished model's weights, from its own stage or from the configured `checkpoint`.

    Where the stage was trained here, the checkpoint is what its training started from.

    Raises:
        BadCheckpoint: the file is unreadable, or its latents have another space.
        ConfigError: it is of a run whose data mean something else.
    """
    model = parts.models[name]
    if isinstance(model, Tokenizer) and not model.learned and not run.model(name).is_file():
        model.eval()
        return
    given = parts.config[name].get("checkpoint")
    checkpoint = run.model(name) if given is None or run.trained(name, given) else given
    if given is not None and not str(checkpoint).startswith(SCHEME):
        _check_origin(parts, name, resolve(checkpoint, name)[1])
    load_into(checkpoint, model, name, repr(latent_space(model)))
    model.eval().requires_grad_(False)


def _check_origin(parts: Parts, name: str, checkpoint: Path) -> None:
    """Refuse weights of a run whose data mean something else than those of this experiment."""
    path = checkpoint.parent / "config.yaml"
    trained = read_config(path) if path.is_file() else parts.config
    if trained.get("data") not in (None, parts.config.data):
        check_meaning(parts.config, [name], parts.data, build_data(trained))


def latent_space(model: Tokenizer | Prior) -> Space:
    """Space of the latents that a model makes, which is noted in the file of its weights."""
    return model.bottleneck.space if isinstance(model, Tokenizer) else model.space
