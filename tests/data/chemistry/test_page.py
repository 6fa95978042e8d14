"""The page of molecules: whole in one file, with what chemiscope reads, whatever the title."""

import json
import re
from types import SimpleNamespace

import pytest
import torch

from data import DataError
from data.chemistry import page
from data.chemistry.conversion import to_mols

WATER = torch.tensor([[[0.0, 0, 0], [0.96, 0, 0], [-0.24, 0.93, 0]]])
ORDERS = torch.tensor([[[0, 1, 1], [1, 0, 0], [1, 0, 0]]])


@pytest.fixture
def water():
    return to_mols(torch.tensor([[8, 1, 1]]), ORDERS, WATER)


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """A package chemiscope whose script is a line."""
    script = tmp_path / "chemiscope" / page.SCRIPT
    script.parent.mkdir(parents=True)
    script.write_text("const Chemiscope = 'the viewer' // {braces} </script>")
    found = SimpleNamespace(origin=str(tmp_path / "chemiscope" / "__init__.py"))
    monkeypatch.setattr(page.importlib.util, "find_spec", lambda name: found)


def test_the_page_holds_viewer_and_molecules_and_loads_nothing(tmp_path, water, installed):
    page.write_page(tmp_path / "page.html", water, "<b> </script>")
    text = (tmp_path / "page.html").read_text()
    assert "the viewer" in text
    assert "&lt;b&gt;" in text
    assert text.count("<script>") == text.count("</script>") == 2
    assert not re.search(r"https?://|src=|href=|import ", text)
    data = json.loads(re.search(r"load\(places, (.*), warnings\)", text)[1])
    assert data["structures"] == [
        {
            "size": 3,
            "names": ["O", "H", "H"],
            "x": [0, 0.96, -0.24],
            "y": [0, 0, 0.93],
            "z": [0] * 3,
        }
    ]
    assert data["properties"]["SMILES"]["values"] == ["[H]O[H]"]
    assert data["meta"]["name"] == "<b> </script>"


def test_without_the_package_there_is_no_page(tmp_path, water, monkeypatch):
    monkeypatch.setattr(page.importlib.util, "find_spec", lambda name: None)
    assert page.viewer() is None
    with pytest.raises(DataError, match="needs the package chemiscope: install it"):
        page.write_page(tmp_path / "page.html", water, "samples")
