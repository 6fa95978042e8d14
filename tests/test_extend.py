"""The package of docs/extend.md does what the page says, through its commands."""

import json
import re

import pages
import pytest

PAGE = pages.ROOT / "docs" / "extend.md"
SHORTER = {"9_600": "64", "38_400": "128", "19_200": "64"}  # samples seen


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A checkout with the package of the page, whose training alone is made shorter."""
    folder = pages.checkout(tmp_path_factory.mktemp("checkout"))
    for name, text in pages.files(PAGE).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(re.sub("|".join(SHORTER), lambda found: SHORTER[found[0]], text))
    return folder


def test_its_classes_are_trained_sampled_and_scored(folder):
    train, sample, score = pages.commands(PAGE)
    pages.run(train, folder)
    run = folder / "runs" / "shapes"
    assert {path.name for path in run.rglob("snapshot_*")} == {
        "snapshot_64.safetensors",
        "snapshot_128.safetensors",
    }
    assert "ink" in json.loads((run / "metrics.json").read_text())
    assert "16 samples" in pages.run(sample, folder)
    assert "ink" in pages.run(score, folder)


def test_a_run_folder_cannot_allow_its_own_classes(folder):
    with pytest.raises(AssertionError, match=r"allow=\[my_project\]"):
        pages.run("python sample.py run=runs/shapes n=1", folder)
