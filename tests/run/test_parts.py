"""Parts from a configuration: what fits, and the place that an error names."""

import functools

import pytest
import torch
from omegaconf import OmegaConf

from ldm.config.compose import ConfigError, compose
from ldm.hub.weights import BadCheckpoint
from ldm.processes import GaussianDiffusion
from ldm.run.experiment import load_run
from ldm.run.parts import (
    build_part,
    build_prior,
    build_tokenizer,
    load_tokenizer,
    model_config,
)
from ldm.run.sampling import draw
from ldm.spaces import Flat


@functools.cache
def composed(*overrides):
    return compose(["experiment=demo/digits", *overrides])


def demo(*overrides):
    return composed(*overrides).copy()


def test_what_is_there_already_replaces_the_node_of_its_name():
    process = GaussianDiffusion(Flat([4, 4, 4]))
    backbone = torch.nn.Linear(1, 1)
    prior = build_part(demo(), "prior", process=process, backbone=backbone)
    assert prior.process is process
    assert prior.backbone is backbone
    assert prior.objective.target == "v"


def test_a_stages_model_is_built_without_how_it_is_trained():
    assert model_config(demo().tokenizer).keys() == {"_target_", "encoder", "bottleneck", "decoder"}


@pytest.mark.parametrize(
    ("place", "change", "message"),
    [
        ("prior.process", {"schedule": "cosin"}, r"^prior\.process: no schedule 'cosin': choose"),
        ("tokenizer", {"bottleneck": {"groups": 3}}, r"^tokenizer\.bottleneck: groups must divide"),
        ("tokenizer", {"encoder": {"width": "x"}}, r"^tokenizer\.encoder: "),
        ("tokenizer.training", {"loss": {"pixel": "l3"}}, r"^tokenizer\.training\.loss: no pixel"),
    ],
)
def test_an_error_of_a_part_names_its_place(place, change, message):
    config = demo()
    OmegaConf.update(config, place, change)
    with pytest.raises(ConfigError, match=message):
        build_part(config, place, space=Flat([4, 4, 4]))


def test_a_missing_argument_is_named_with_its_place():
    config = demo()
    del config.tokenizer.bottleneck.codes
    with pytest.raises(ConfigError, match=r"^tokenizer\.bottleneck: .*missing.*'codes'"):
        build_part(config, "tokenizer")


def test_a_tokenizer_is_checked_against_the_data_and_its_own_space():
    assert build_tokenizer(demo(), "meta").space == Flat([4, 4, 4])
    with pytest.raises(ConfigError, match=r"data of shape \(1, 8, 8\) .*makes latents \(4, 4, 4\)"):
        build_tokenizer(demo("tokenizer.bottleneck.shape=[4,8,8]"), "meta")
    with pytest.raises(ConfigError, match=r"does not fit data of shape \(1, 8, 8\)"):
        build_tokenizer(demo("tokenizer.encoder.in_channels=3"), "meta")
    with pytest.raises(ConfigError, match=r"does not fit data of shape \(1, 8, 8\)"):
        build_tokenizer(demo("tokenizer.encoder.multipliers=[1,1,1,1,1,1]"), "meta")


def test_a_prior_is_checked_against_the_tokenizers_space():
    tokenizer = build_tokenizer(demo(), "meta")
    assert build_prior(demo(), tokenizer, "meta").space == tokenizer.space
    with pytest.raises(ConfigError, match=r"latent space Flat\(4, 4, 4\).*channels and size"):
        build_prior(demo("prior.backbone.size=8"), tokenizer, "meta")
    with pytest.raises(ConfigError, match=r"^prior\.backbone: patches of side 3 do not tile"):
        build_prior(demo("prior.backbone.patch=3"), tokenizer, "meta")


def test_checking_on_meta_leaves_the_real_parts_real():
    tokenizer = build_tokenizer(demo("prior.backbone.depth=1"))
    prior = build_prior(demo("prior.backbone.depth=1"), tokenizer)
    assert not any(p.is_meta for p in (*tokenizer.parameters(), *prior.parameters()))
    assert not prior.process.alpha_bar.is_meta


def test_a_tokenizer_of_another_space_is_refused(trained):
    config = demo("tokenizer.encoder.out_channels=8", "tokenizer.bottleneck.shape=[8,4,4]")
    with pytest.raises(BadCheckpoint, match=r"space Flat\(4, 4, 4\), the configuration wants"):
        load_tokenizer(config, trained / "tokenizer" / "model.safetensors")


def test_a_tokenizer_of_another_network_is_refused_in_a_few_words(trained):
    with pytest.raises(BadCheckpoint, match="does not fit the configured model") as caught:
        load_tokenizer(
            demo("tokenizer.encoder.width=64"), trained / "tokenizer" / "model.safetensors"
        )
    assert len(str(caught.value)) < 800


def test_a_generated_image_is_its_numbers_own(trained):
    parts = load_run(trained, [])
    together = draw(parts, range(6), seed=1).batch["x"]
    alone = torch.cat([draw(parts, [i], seed=1).batch["x"] for i in range(6)])
    assert together.shape == (6, 1, 8, 8)
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=0)
    another = draw(parts, range(6), seed=2).batch["x"]
    assert (together - another).abs().amax((1, 2, 3)).min() > 0.1


def test_loaded_parts_are_frozen(trained):
    parts = load_run(trained, [])
    for module in (parts.tokenizer, parts.prior):
        assert not module.training
        assert not any(p.requires_grad for p in module.parameters())
