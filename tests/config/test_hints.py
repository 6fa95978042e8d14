"""Overrides that Hydra's grammar takes otherwise than they were meant."""

import pytest

from ldm.config.compose import ConfigError, compose
from ldm.config.hints import unreadable
from ldm.config.sweeps import jobs

FOLDER = ["data=image_folder", "data.root=pets", "data.size=8", "data.channels=1"]


@pytest.mark.parametrize(
    "name", ["a=b", "pets (1)", "it's", "a#b", "[a]", "{a}", "a,b", "(", "a=b (it's), 2"]
)
def test_paths_with_signs_of_the_grammar_are_read_once_quoted_as_the_message_says(name):
    with pytest.raises(ConfigError) as caught:
        compose(["experiment=demo/digits", *FOLDER, f"run=runs/{name}"])
    message = str(caught.value)
    assert message.startswith(f"run=runs/{name} ")
    quoted = message.rpartition(': "')[2].removesuffix('"')
    assert compose(["experiment=demo/digits", *FOLDER, quoted]).run == f"runs/{name}"


def test_a_missing_key_with_a_dot_does_not_stand_for_a_wrong_one():
    with pytest.raises(ConfigError, match=r"data\.root=a=b cannot be read"):
        compose(["experiment=demo/digits", "data=image_folder", "data.root=a=b"])
    with pytest.raises(ConfigError, match=r"unknown key 'data\.sise': did you mean 'data\.size'"):
        compose(["experiment=demo/digits", *FOLDER, "data.sise=4"])


def test_a_sweep_is_asked_for_or_quoted():
    assert "is a sweep over several values: add --multirun" in unreadable(["seed=1,2"])
    assert jobs(["seed=1,2"]) == [["seed=1"], ["seed=2"]]
    with pytest.raises(ConfigError, match=r"run=a\(1 cannot be read"):
        jobs(["run=a(1"])


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("demo", "expected key=value, got 'demo'"),
        ("seed=" + "[" * 1000 + "]" * 1000, "nested too deeply"),
    ],
)
def test_what_is_no_override_is_said(override, message):
    assert message in unreadable([override])


def test_a_group_at_another_place_is_no_unknown_key():
    given = ["run=x", "data=first_frame", "data@data.source=moving_digits", "data.frames=32"]
    with pytest.raises(ConfigError, match=r"unknown key 'data\.frames'"):
        compose(given)
    with pytest.raises(ConfigError, match=r"no data 'moving_digit': did you mean 'moving_digits'"):
        compose([*given[:2], "data@data.source=moving_digit"])
