"""YAML files within bounds: aliases of aliases, deep nesting, recursion, and other content."""

import pytest
from omegaconf import OmegaConf

from ldm.config.compose import ConfigError, compose
from ldm.config.yaml_files import read_yaml


@pytest.fixture
def file(tmp_path):
    def write(content: str | bytes):
        path = tmp_path / "config.yaml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def laughs(levels: int) -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels)]
    return "\n".join(lines)


def test_aliases_are_read_as_what_they_stand_for(file):
    config = read_yaml(file("base: &base {lr: 1}\nown: {<<: *base, steps: [2, &n 3, *n]}"))
    assert OmegaConf.to_container(config)["own"] == {"lr": 1, "steps": [2, 3, 3]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (laughs(9), "over 100000 nodes with those of aliases"),
        ("a: " + "[" * 400 + "]" * 400, "or over 50 deep"),
        ("a: " + "{b: " * 400 + "1" + "}" * 400, "or over 50 deep"),
        ("a: &a [1, *a]", r"\*a stands for what holds it"),
        ("a: [1", "not sound YAML"),
        ("- 1\n- 2", "holds no keys"),
        (b"a: \xff\xfe", "not sound YAML"),
        ("a: b\0c", "not sound YAML"),
        ("a: " + "x" * (1 << 20), "no file of at most 1 MB"),
    ],
    ids=["laughs", "lists", "nodes", "itself", "cut", "list", "latin", "null", "large"],
)
def test_files_beyond_the_bounds_are_refused_in_one_message(file, content, message):
    with pytest.raises(ConfigError, match=rf"config\.yaml .*{message}"):
        read_yaml(file(content))


def test_a_file_that_is_none_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="is no file of at most 1 MB"):
        read_yaml(tmp_path)


def test_the_users_own_configurations_are_bounded_too(tmp_path, monkeypatch):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mine.yaml").write_text(laughs(9))
    monkeypatch.setenv("LDM_CONFIGS", str(tmp_path))
    with pytest.raises(ConfigError, match=r"mine\.yaml is not sound YAML \(over 100000 nodes"):
        compose(["experiment=demo/digits", "data=mine"])
