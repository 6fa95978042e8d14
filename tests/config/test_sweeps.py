"""Names of the folders of a sweep's jobs."""

import shlex

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st

from ldm.config.signatures import ConfigError
from ldm.config.sweeps import folder_of, jobs, swept

RUN = "runs/demo/digits"


def test_only_what_is_swept_is_in_the_name_in_any_order():
    job, keys = ["sampler.steps=3", "seed=1", "+data.flip=true"], ["seed", "data.flip"]
    assert folder_of(RUN, job, keys) == f"{RUN}-data.flip_true-seed_1"
    assert folder_of(RUN, job[::-1], keys) == f"{RUN}-data.flip_true-seed_1"
    assert folder_of(RUN, job, []) == RUN
    assert folder_of(RUN, ["prior/backbone=dit_s_8"], ["prior/backbone"]) == (
        f"{RUN}-prior.backbone_dit_s_8"
    )


def test_long_names_are_cut_and_stay_apart():
    keys = [f"prior.training.option_{n}" for n in range(11)]
    names = {folder_of(RUN, [f"{key}={value}" for key in keys], keys) for value in range(50)}
    assert len(names) == 50
    assert all(len(name.rpartition("/")[2]) <= 110 for name in names)


@given(st.lists(st.text(min_size=1, max_size=40), min_size=2, max_size=2, unique=True))
def test_any_value_makes_a_name_that_can_be_typed_and_is_its_own(values):
    one, other = (folder_of(RUN, [f"data.root={value}"], ["data.root"]) for value in values)
    assert one != other
    for name in (one, other):
        assert shlex.quote(name) == name
        (parsed,) = OverridesParser.create().parse_overrides([f"run={name}"])
        assert parsed.value() == name


def test_a_folder_of_an_older_version_is_gone_on_with(tmp_path):
    run, older = f"{tmp_path}/digits", tmp_path / "digits,sampler.steps=3,seed=1"
    older.mkdir()
    job = ["experiment=demo/digits", "seed=1", "sampler.steps=3"]
    assert folder_of(run, job, ["seed"]) == str(older)


@pytest.mark.parametrize("argument", ["seed=glob(*)", "seed=interval(0,1)"])
def test_a_sweep_that_does_not_list_its_values_is_refused(argument):
    with pytest.raises(ConfigError, match="does not list its values: seed=a,b"):
        jobs([argument])


def test_a_sweep_over_nothing_is_refused():
    with pytest.raises(ConfigError, match="is a sweep over no values"):
        jobs(["seed=range(0)"])


@pytest.mark.parametrize(
    ("argument", "values"),
    [("seed=0,1", ["0", "1"]), ("seed=range(2)", ["0", "1"]), ("seed=choice(4,5)", ["4", "5"])],
)
def test_all_forms_of_a_sweep_are_its_jobs(argument, values):
    assert jobs(["stage=prior", argument]) == [["stage=prior", f"seed={one}"] for one in values]
    assert swept(["stage=prior", argument]) == ["seed"]
