"""The order of stages, and the stages that each depends on."""

import pytest
from omegaconf import OmegaConf

from ldm.config.lineage import foundation, lineage, told
from ldm.config.signatures import ConfigError

PRIOR, TOKENIZER = "ldm.priors.Denoiser", "ldm.tokenizers.Tokenizer"


def config(**more):
    nodes = {
        "stages": ["tokenizer", "prior"],
        "tokenizer": {"_target_": TOKENIZER, "training": {}},
        "prior": {"_target_": PRIOR, "training": {}},
    }
    return OmegaConf.create({**nodes, **more})


def test_a_prior_stands_on_the_tokenizer_and_a_tokenizer_on_data():
    assert foundation(config(), "prior") == "tokenizer"
    assert foundation(config(), "tokenizer") is None
    assert lineage(config(), "prior") == ["tokenizer", "prior"]


def test_each_model_comes_after_those_it_stands_on_and_once():
    whole = config(
        second={"_target_": TOKENIZER, "on": "tokenizer"},
        coarse={"_target_": PRIOR, "on": "tokenizer"},
        fine={"_target_": PRIOR, "on": "second", "given": {"image": "coarse"}},
    )
    assert told(whole, "fine") == {"image": "coarse"}
    assert lineage(whole, "fine", "coarse") == ["tokenizer", "second", "coarse", "fine"]


def test_a_circle_is_refused():
    whole = config(
        first={"_target_": TOKENIZER, "on": "second"},
        second={"_target_": TOKENIZER, "on": "first"},
    )
    with pytest.raises(ConfigError, match="in a circle: first -> second"):
        lineage(whole, "first")


def test_a_stage_that_is_not_there_is_named():
    with pytest.raises(ConfigError, match="no stage refiner: choose from tokenizer, prior"):
        lineage(config(prior={"_target_": PRIOR, "on": "refiner", "training": {}}), "prior")
