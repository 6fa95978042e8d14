"""A page of molecules that can be turned and leafed through in a browser, without a network.

The viewer is chemiscope's (Fraux, Cersonsky and Ceriotti, "Chemiscope: interactive
structure-property explorer for materials and molecules", 2020), which the package `chemiscope`
ships as one script.
"""

import importlib.util
import json
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from data.chemistry.conversion import Mol, largest_fragment, quiet
from data.files.errors import DataError

__all__ = ["viewer", "write_page"]

SCRIPT = "sphinx/static/chemiscope.min.js"  # in the package

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<title>{title}</title>
<style>
body {{ margin: 0 auto; max-width: 60rem; font-family: sans-serif; }}
#structure {{ height: 75vh; }}
</style>
<script>{script}</script>
</head>
<body>
<div id="meta"></div>
<div id="structure"></div>
<div id="info"></div>
<script>
const warnings = new Chemiscope.Warnings();
const places = {{ meta: "meta", structure: "structure", info: "info" }};
Chemiscope.StructureVisualizer.load(places, {data}, warnings);
</script>
</body>
</html>
"""


def viewer() -> Path | None:
    """Return the script of the viewer; None where `chemiscope` is not installed."""
    found = importlib.util.find_spec("chemiscope")
    if found is None or found.origin is None:
        return None
    script = Path(found.origin).parent / SCRIPT
    return script if script.is_file() else None


def write_page(path: Path, molecules: Sequence[Mol], title: str) -> None:
    """Write one HTML file with the molecules and the viewer, about 3 MB.

    Args:
        path: of the file.
        molecules: with a conformer each.
        title: of the page.

    Raises:
        DataError: the viewer's package is not installed.
    """
    script = viewer()
    if script is None:
        raise DataError("a page of molecules needs the package chemiscope: install it")
    data = json.dumps(_dataset(molecules, title)).replace("</", "<\\/")
    text = script.read_text("utf-8").replace("</script", "<\\/script")
    path.write_text(PAGE.format(title=escape(title), script=text, data=data), "utf-8")


def _dataset(molecules: Sequence[Mol], title: str) -> dict[str, Any]:
    """Molecules and their SMILES in chemiscope's format."""
    structures, names = [], []
    with quiet():
        for molecule in molecules:
            x, y, z = molecule.GetConformer().GetPositions().round(4).T.tolist()
            symbols = [atom.GetSymbol() for atom in molecule.GetAtoms()]
            structures.append({"size": len(x), "names": symbols, "x": x, "y": y, "z": z})
            named = largest_fragment(molecule)
            names.append("invalid" if named is None else named[0])
    return {
        "meta": {"name": title},
        "structures": structures,
        "properties": {"SMILES": {"target": "structure", "values": names}},
        "settings": {"structure": [{"spaceFilling": False, "rotation": False}]},
    }
