"""One page about a run: scores with their protocols, curves, pictures, configuration, versions.

The page needs no other file and no network: pictures are inside it, and there are no scripts.
"""

import base64
import json
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from data.files.whole import write_whole
from ldm.config.compose import ConfigError
from ldm.report.curves import draw_curves
from ldm.run.folder import Run, read_config

__all__ = ["write_report"]

TYPES = {".png": "image/png", ".gif": "image/gif", ".svg": "image/svg+xml"}


def write_report(run: Run) -> Path:
    """Write `report.html` in the run folder, from the files that are there; returns its path.

    Raises:
        ConfigError: there is no such run, or one of its files is damaged.
    """
    configs = {path.parent.name: read_config(path) for path in run.folder.glob("*/config.yaml")}
    if not configs:
        raise ConfigError(f"no run at {run.folder}: train one with train.py experiment=...")
    order = {name: place for config in configs.values() for place, name in enumerate(config.stages)}
    evaluations = _evaluations(run)
    stages = [_stage(run, name) for name in sorted(configs, key=lambda name: order.get(name, -1))]
    page = Environment(
        loader=PackageLoader("ldm.report", "."), autoescape=True, undefined=StrictUndefined
    ).get_template("page.html.j2")
    text = page.render(title=str(run.folder), evaluations=evaluations, stages=stages)
    path = run.folder / "report.html"
    write_whole(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))
    return path


def _evaluations(run: Run) -> list[dict[str, Any]]:
    """Scores in groups of one protocol, and pictures, of the run's evaluation and of named ones."""
    found = []
    for path in (run.metrics, *sorted(run.folder.glob("*/*/metrics.json"))):
        if not path.is_file():
            continue
        scores = _read(path)
        protocols = scores.pop("protocol", {})
        groups: dict[str, dict[str, float]] = {}
        for name, value in scores.items():
            groups.setdefault(_words(protocols.get(name, {})), {})[name] = value
        name = "" if path.parent == run.folder else path.parent.name
        pictures = [_picture(one.stem, one) for one in _shown(path.parent)]
        found.append({"name": name, "groups": groups, "pictures": pictures})
    return found


def _stage(run: Run, name: str) -> dict[str, Any]:
    folder = run.stage(name)
    curves = draw_curves(folder / "metrics.csv") if (folder / "metrics.csv").is_file() else None
    pictures = [
        _picture(f"{int(one.stem):,} samples" if one.stem.isdecimal() else one.stem, one)
        for one in _shown(folder / "samples")
    ]
    return {
        "name": name,
        "finished": run.model(name).is_file(),
        "effort": ", ".join(map(_words, _listed(folder / "effort.json"))),
        "curves": None if curves is None else _inside(curves, ".svg"),
        "pictures": pictures,
        "config": (folder / "config.yaml").read_text(),
        "starts": _listed(folder / "environment.json"),
        "changes": _listed(folder / "changes.json"),
    }


def _listed(path: Path) -> list[dict[str, str]]:
    """Entries of a JSON file, their values in words; none if there is no file.

    A damaged one is an entry that says so: a run does not depend on notes about it.
    """
    if not path.is_file():
        return []
    try:
        entries = json.loads(path.read_text())
        entries = entries if isinstance(entries, list) else [entries]
        return [{key: _words(value) for key, value in entry.items()} for entry in entries]
    except (ValueError, AttributeError) as error:
        return [{"damaged": f"{path.name} cannot be read ({error})"}]


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except ValueError as error:
        raise ConfigError(f"{path} is damaged ({error}): copy it again, or delete it") from error


def _words(value: Any) -> str:
    """Plain values as text: `key value, key value`."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {_words(one)}" for key, one in value.items() if one is not None)
    if isinstance(value, list):
        return " ".join(_words(one) for one in value)
    return f"{value:,.6g}" if isinstance(value, float) else str(value)


def _shown(folder: Path) -> list[Path]:
    """Pictures and clips of a folder."""
    return sorted(path for path in folder.glob("*") if path.suffix in (".png", ".gif"))


def _picture(caption: str, path: Path) -> dict[str, str]:
    return {"caption": caption, "source": _inside(path.read_bytes(), path.suffix)}


def _inside(content: bytes, suffix: str) -> str:
    """Address of a picture that holds the picture itself."""
    return f"data:{TYPES[suffix]};base64,{base64.b64encode(content).decode()}"
