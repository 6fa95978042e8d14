"""Shapes of every signature are checked while tests run; shared data is used when it is there."""

import os
from pathlib import Path

import pytest
from jaxtyping import install_import_hook

hook = install_import_hook(["ldm", "data", "eval"], "beartype.beartype")
hook.__enter__()

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def shared_data() -> Path:
    """The folder of real data; a test that asks for it is skipped where there is none."""
    folder = Path(os.environ.get("LDM_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("no shared data here: set LDM_DATA to its folder")
    return folder
