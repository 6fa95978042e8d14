"""Values that are not of the form of a configuration: one message each, whatever the place."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from ldm.config.compose import ConfigError, compose, overridden
from ldm.config.groups import keys_of

DEMO = "experiment=demo/digits"


@pytest.fixture(scope="module")
def demo():
    return compose([DEMO])


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("seed=${oc.env:NOPE}", r"^seed cannot be resolved: .*'NOPE' not found"),
        ("run=${oc.env:NOPE}", r"^run cannot be resolved: .*'NOPE' not found"),
        ("run=${nope:3}", "^run cannot be resolved: Unsupported interpolation type nope"),
        ("run=${run}", "^run cannot be resolved: Recursive interpolation"),
        ("tokenizer.training.samples=${nope}", "^tokenizer.training.samples cannot be resolved"),
        ("run=3", "^run must be a string or null, got 3"),
        ("tokenizer._target_=3", "^tokenizer._target_ must be a string, got 3"),
        ("sampler._target_=[a]", r"^sampler._target_ must be a string, got \['a'\]"),
        ("eval.scorers=[{_target_: 3}]", "^eval.scorers.0._target_ must be a string, got 3"),
        ("guidance=3", "^guidance must have a _target_, got 3"),
        ("running=3", "^running must have a _target_, got 3"),
        ("~tokenizer", "^tokenizer has no _target_: choose tokenizer=bsq_f8"),
        ("+logger.mine=3", "^each entry of logger must have a _target_, got"),
        ("stages=1.5", "^stages must be a list, each a string, got 1.5"),
        ("stages=[]", "^stages is empty: name one or more"),
        ("stages=[prior,prior]", "^stages names a stage twice: prior, prior"),
        ("prior.on=[a]", r"^prior.on must be a string or null, got \['a'\]"),
        ("+prior.given=3", "^prior.given must be a mapping or null, got 3"),
        ("tokenizer.checkpoint=3", "^tokenizer.checkpoint must be a string or null, got 3"),
        ("allow_change=[seed]", "^allow_change is for settings of a stage's training, got 'seed'"),
        (
            "allow_change=[prior.training.optimizer.lt]",
            "got 'prior.training.optimizer.lt': did you mean 'prior.training.optimizer.lr'",
        ),
        ("hydra.searchpath=[file:///nope]", "^hydra.searchpath: '/nope' is no folder: name one"),
        ("=3", "^expected key=value, got '=3'"),
    ],
)
def test_what_has_not_the_form_of_its_place_is_named(override, message):
    with pytest.raises(ConfigError, match=message):
        compose([DEMO, override])


def test_a_missing_search_path_is_said_although_the_experiment_is_missing_with_it():
    with pytest.raises(ConfigError, match=r"^hydra\.searchpath: 'mine' is no folder"):
        compose(["experiment=of_mine", "hydra.searchpath=[mine]"])


@pytest.mark.parametrize("groups", [["trainer=cpu"], ["trainer=cpu", "logger=tensorboard"]])
def test_a_group_that_is_not_the_reason_is_not_blamed(groups):
    with pytest.raises(ConfigError) as caught:
        compose([DEMO, *groups, "seed=-1"])
    assert "keep that" not in str(caught.value)
    with pytest.raises(ConfigError) as caught:
        compose([DEMO, *groups, "trainer.checkpointing=3"])
    assert "keep that" not in str(caught.value)


PLAIN = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 2), st.floats(), st.text(max_size=5), st.just([])
)
VALUES = st.one_of(PLAIN, st.lists(PLAIN, max_size=3), st.dictionaries(st.just("a"), PLAIN))


@settings(max_examples=20)
@given(data=st.data())
def test_any_value_at_any_place_is_taken_or_refused_in_words(demo, data):
    key = data.draw(st.sampled_from(keys_of(demo)))
    config = demo.copy()
    OmegaConf.update(config, key, data.draw(VALUES), merge=False)
    with suppress(ConfigError):  # any other error fails the test
        overridden(config, [])
