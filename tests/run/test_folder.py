"""Configurations of run folders: cut short, or such as no run wrote."""

import json

import pytest

from ldm.config.compose import ConfigError, compose
from ldm.run.folder import Run, read_config, write_config


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("run: runs/a\nseed: ${oc.env:HOME}", r"holds an interpolation, .*: copy it again"),
        ("run: runs/a\nseed: ???", r"cut short or damaged \(seed, stages, .*: copy it again"),
        ("run: [", r"not sound YAML \(.*: copy it again"),
        ("a: " + "[" * 1000, r"or over 50 deep\): copy it again"),
    ],
)
def test_a_damaged_or_foreign_configuration_is_refused(tmp_path, content, message):
    (tmp_path / "config.yaml").write_text(content)
    with pytest.raises(ConfigError, match=rf"config\.yaml .*{message}"):
        read_config(tmp_path / "config.yaml")


def test_a_configuration_that_is_cut_after_any_line_is_refused(tmp_path):
    path, config = tmp_path / "config.yaml", compose(["experiment=demo/digits"])
    write_config(path, config)
    assert read_config(path) == config
    lines = path.read_text().splitlines(keepends=True)
    for number in {*range(0, len(lines), 20), *range(len(lines) - 15, len(lines))}:
        path.write_text("".join(lines[:number]))
        with pytest.raises(ConfigError, match="copy it again, or delete it"):
            read_config(path)


def test_ranks_that_have_no_group_yet_leave_the_run_folder_to_the_first(tmp_path, monkeypatch):
    config = compose(["experiment=demo/digits"])
    monkeypatch.setenv("LOCAL_RANK", "1")  # as Lightning starts the second, before they meet
    Run(tmp_path).keep_config("tokenizer", config)
    Run(tmp_path).keep_environment("tokenizer", 0)
    assert not list(tmp_path.iterdir())
    monkeypatch.setenv("LOCAL_RANK", "0")
    Run(tmp_path).keep_environment("tokenizer", 0)
    assert len(json.loads((tmp_path / "tokenizer/environment.json").read_text())) == 1
