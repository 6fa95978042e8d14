"""Parts from a configuration: what fits, what is handed over, and the place that an error names."""

import functools

import pytest
import torch
from omegaconf import OmegaConf

from ldm.config.compose import ConfigError, compose
from ldm.processes import GaussianDiffusion
from ldm.run.loading import load_run
from ldm.run.models import build_models
from ldm.run.parts import build_data, build_part, model_config
from ldm.run.sampling import draw
from ldm.spaces import Categorical, Flat


@functools.cache
def composed(*overrides):
    return compose(["experiment=demo/digits", *overrides])


def demo(*overrides):
    return composed(*overrides).copy()


def models(*overrides, stages=("tokenizer", "prior"), device="meta"):
    config = demo(*overrides)
    return build_models(config, build_data(config), list(stages), device)


def test_what_is_there_already_replaces_the_node_of_its_name():
    process = GaussianDiffusion(Flat([4, 4, 4]))
    backbone = torch.nn.Linear(1, 1)
    given = {"process": process, "backbone": backbone}
    prior = build_part(demo(), "prior", {"classes": 10}, **given)
    assert prior.process is process
    assert prior.backbone is backbone
    assert prior.objective.target == "v"


def test_a_stages_model_is_built_without_how_it_is_trained():
    assert model_config(demo().tokenizer).keys() == {
        "_target_",
        "encoder",
        "bottleneck",
        "decoder",
        "latents",
    }


def test_keys_of_stages_are_arguments_inside_a_part():
    node = {"_target_": "ldm.networks.videos.windows.Windows", "window": 4, "shape": [3, 8, 8, 8]}
    config = OmegaConf.create({"tokenizer": {"encoder": node}})
    network = torch.nn.Identity()
    assert build_part(config, "tokenizer.encoder", network=network).windows == 2


@pytest.mark.parametrize(
    ("place", "change", "message"),
    [
        ("prior.process", {"schedule": "cosin"}, r"^prior\.process: no schedule 'cosin': choose"),
        ("tokenizer", {"bottleneck": {"groups": 3}}, r"^tokenizer\.bottleneck: groups must divide"),
        (
            "tokenizer",
            {"encoder": {"width": "x"}},
            r"^tokenizer\.encoder\.width must be a whole number",
        ),
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
        build_part(config, "tokenizer.bottleneck")


def test_widths_and_shapes_are_written_once_and_handed_over():
    change = ["tokenizer.bottleneck.shape=[6]", "tokenizer.bottleneck.groups=3"]
    found = models(*change, "tokenizer.encoder.multipliers=[1,1,1]")
    tokenizer, backbone = found["tokenizer"], found["prior"].backbone
    assert tokenizer.space == Flat([6, 2, 2])
    assert tokenizer.encoder.conv_in.in_channels == 1
    assert tokenizer.encoder.head[-1].out_channels == tokenizer.decoder.conv_in.in_channels == 6
    assert tokenizer.decoder.head[-1].out_channels == 1
    assert (backbone.shape, backbone.classes) == ((6, 2, 2), 10)
    assert found["prior"].conditioning.dropped["label"].classes == 10


def test_the_decoder_mirrors_the_encoder_unless_it_says_otherwise():
    wide = models("tokenizer.encoder.width=64", stages=["tokenizer"])["tokenizer"]
    assert wide.decoder.head[0].num_channels == 64
    own = models("+tokenizer.decoder.width=96", stages=["tokenizer"])["tokenizer"]
    assert own.decoder.head[0].num_channels == 96
    assert own.encoder.conv_in.out_channels == 32


def test_a_prior_that_is_told_nothing_has_no_table_of_classes():
    assert models("prior.conditioning=null")["prior"].backbone.classes == 0


def test_a_prior_of_codes_lives_on_the_quantisers_codes():
    found = models("tokenizer.latents=codes", stages=["tokenizer"])["tokenizer"]
    assert found.space == Categorical([4, 4, 2], 256)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("tokenizer.bottleneck.shape=[4,8,8]", r"data of shape \(1, 8, 8\) .*makes latents \(4, 4"),
        ("+tokenizer.encoder.in_channels=3", r"does not fit data of shape \(1, 8, 8\)"),
        ("+tokenizer.decoder.in_channels=3", r"does not fit data of shape \(1, 8, 8\)"),
        ("tokenizer.encoder.multipliers=[1,1,1,1,1,1]", r"does not fit data of shape \(1, 8, 8\)"),
        ("prior.backbone.patch=3", r"^prior\.backbone: patches of side 3 do not tile"),
        ("prior.process.schedule=cosin", r"^prior\.process: no schedule 'cosin': choose"),
    ],
)
def test_parts_that_do_not_fit_are_refused_when_they_are_built(override, message):
    with pytest.raises(ConfigError, match=message):
        models(override)


def test_networks_on_meta_leave_what_is_computed_before_training_real():
    found = models()
    assert all(p.is_meta for p in found["prior"].parameters())
    assert not found["prior"].process.alpha_bar.is_meta
    real = models("prior.backbone.depth=1", device="cpu")
    assert not any(p.is_meta for model in real.values() for p in model.parameters())


def test_initial_weights_are_the_seeds_own_whatever_is_built_beside_them():
    alone = models(stages=["tokenizer"], device="cpu")["tokenizer"].state_dict()
    beside = models(device="cpu")["tokenizer"].state_dict()
    other = models("seed=1", stages=["tokenizer"], device="cpu")["tokenizer"].state_dict()
    name = "encoder.conv_in.weight"
    assert torch.equal(alone[name], beside[name])
    assert not torch.equal(alone[name], other[name])


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


def test_a_part_of_a_package_that_nobody_allowed_is_not_built(trained):
    # Sampling checks what evaluation builds by its package alone; building it is what is refused.
    config = load_run(trained, []).config
    config.eval._target_ = "ldm.config.validate.os.system"
    with pytest.raises(ConfigError, match=r"eval\._target_=.*os.system is refused"):
        build_part(config, "eval")
