"""Shapes of every signature are checked while tests run; shared data is used when it is there."""

import os
from pathlib import Path

import pytest
from jaxtyping import install_import_hook

hook = install_import_hook(["ldm", "data", "eval"], "typecheck.checked")
hook.__enter__()

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def shared_data() -> Path:
    """The folder of real data; a test that asks for it is skipped where there is none."""
    folder = Path(os.environ.get("LDM_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("no shared data here: set LDM_DATA to its folder")
    return folder


@pytest.fixture
def tiny(tmp_path, monkeypatch) -> list[str]:
    """Overrides that make the demo a matter of seconds, in a folder of its own."""
    monkeypatch.setenv("LDM_CACHE", str(tmp_path / "cache"))
    return [
        "experiment=demo/digits",
        f"run={tmp_path}/runs/digits",
        "tokenizer.training.samples=512",
        "tokenizer.training.batch_size=64",
        "prior.training.samples=512",
        "prior.training.batch_size=64",
        "prior.backbone.width=32",
        "prior.backbone.depth=2",
        "prior.backbone.heads=2",
        "sampler.steps=4",
        "eval.samples=40",
        "trainer.accelerator=cpu",
        "trainer.pictures=1",
        "trainer.records=4",
        "trainer.checkpoints=4",
    ]
