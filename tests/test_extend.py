"""The package of docs/extend.md does what the page says, through its commands."""

import json
import re

import pages
import pytest

PAGE = pages.ROOT / "docs" / "extend.md"
SHORTER = {"9_600": "64", "38_400": "128", "19_200": "64"}  # samples seen


def test_its_classes_are_trained_sampled_and_scored_if_the_user_allows_them(tmp_path):
    folder = pages.checkout(tmp_path)
    for name, text in pages.files(PAGE).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(re.sub("|".join(SHORTER), lambda found: SHORTER[found[0]], text))
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
    # A run folder cannot allow its own classes.
    with pytest.raises(AssertionError, match=r"allow=\[my_project\]"):
        pages.run("python sample.py run=runs/shapes n=1", folder)
