"""Every shipped configuration composes and builds at its full size, on the meta device."""

import pytest
import torch

from ldm.config.compose import ConfigError, compose
from ldm.config.groups import members
from ldm.run.checks import check_sampler
from ldm.run.parts import (
    build_data,
    build_guidance,
    build_part,
    build_prior,
    build_sampler,
    build_tokenizer,
)

# What a tokenizer or prior of the papers is for, where an experiment does not say.
IMAGES = ["data=imagenet256", "run=runs/test", "eval=classifier"]

# Parameters of encoder and decoder with the convolutions around the bottleneck; no codebook.
PUBLISHED = {
    "gsq_f16": 72_932_371,
    "kl_f4": 55_312_063,
    "kl_f8": 83_653_863,
    "kl_f16": 69_610_963,
    "kl_f32": 103_880_131,
    "vq_f4": 55_298_206,
    "vq_f8": 67_651_759,
    "vq_f16": 69_462_299,
}


def count(module):
    return sum(p.numel() for p in module.parameters())


def check_training(config, stage, **parts):
    """All of a stage's training but the weights that perceptual losses download."""
    with torch.device("meta"):
        training = build_part(config, f"{stage}.training", **parts, seed=config.seed)
    training.configure_optimizers()
    assert training.samples >= training.batch_size


@pytest.mark.parametrize("name", members("experiment"))
def test_every_experiment_builds(name, request, monkeypatch):
    config = compose([f"experiment={name}"])
    if "Mesh" in str(config.tokenizer):
        monkeypatch.setenv("LDM_DATA", str(request.getfixturevalue("shared_data")))
    tokenizer = build_tokenizer(config, "meta")
    if "tokenizer" in config.stages:
        check_training(config, "tokenizer", model=tokenizer)
    if "prior" in config.stages:
        prior = build_prior(config, tokenizer, "meta")
        check_training(config, "prior", model=prior, tokenizer=tokenizer)
        if config.sampler.get("steps", 0) > 10:
            config.sampler.steps = 10  # nothing is learned from a thousand
        check_sampler(config, tokenizer)
        assert build_data(config).classes in (0, config.prior.backbone.get("classes", 0))
    for part in ("eval", "trainer"):
        build_part(config, part)


# Those of points, and of binary digits, are built by the experiments that they are for.
@pytest.mark.parametrize("name", [m for m in members("tokenizer") if m[:2] in ("gs", "kl", "vq")])
def test_every_tokenizer_builds_at_the_papers_size(name):
    config = compose([*IMAGES, f"tokenizer={name}", "stages=[tokenizer]"])
    tokenizer = build_tokenizer(config, "meta")
    check_training(config, "tokenizer", model=tokenizer)
    if name in PUBLISHED:
        networks = count(tokenizer.encoder) + count(tokenizer.decoder)
        assert networks == PUBLISHED[name]


@pytest.fixture(scope="module")
def stable_diffusion():
    config = compose([*IMAGES, "tokenizer=kl_f8", "stages=[tokenizer]"])
    return build_tokenizer(config, "meta")


@pytest.mark.parametrize("name", ["dit", "sit", "rfm_dit"])
def test_priors_of_images_build_on_stable_diffusions_latents(name, stable_diffusion):
    tokenizer = stable_diffusion
    sampler = "ddim" if name == "dit" else "flow_heun"
    groups = ["tokenizer=kl_f8", f"prior={name}", f"sampler={sampler}"]
    config = compose([*IMAGES, *groups])
    prior = build_prior(config, tokenizer, "meta")
    check_training(config, "prior", model=prior, tokenizer=tokenizer)
    if name in ("dit", "sit"):
        assert count(prior) == 675_129_632


@pytest.mark.parametrize("name", members("sampler"))
def test_every_sampler_draws_from_the_prior_it_is_for(name, stable_diffusion):
    prior = "sit" if name.startswith(("flow", "adaptive", "geodesic")) else "dit"
    config = compose([*IMAGES, "tokenizer=kl_f8", f"prior={prior}", f"sampler={name}"])
    check_sampler(config, stable_diffusion)
    other = "dit" if prior == "sit" else "sit"
    config = compose([*IMAGES, "tokenizer=kl_f8", f"prior={other}", f"sampler={name}"])
    if name not in ("adaptive_ode", "geodesic_walk"):
        with pytest.raises(ConfigError, match="the sampler does not fit the prior"):
            check_sampler(config, stable_diffusion)


@pytest.mark.parametrize("group", ["data", "eval", "trainer", "logger"])
def test_every_other_member_is_what_it_says(group):
    given = {"data": ["data.root=somewhere"]}
    for name in members(group):
        extra = given.get(group, []) if name == "image_folder" else []
        config = compose(["experiment=demo/digits", f"{group}={name}", *extra])
        if group == "logger":
            assert all("_target_" in node for node in (config.logger or {}).values())
        else:
            build_part(config, group)


def test_configurations_of_samplers_and_guidance_are_their_own_parts():
    config = compose(["experiment=demo/digits", "guidance.scale=3", "sampler.steps=7"])
    assert build_sampler(config).steps == 7
    assert build_guidance(config).scale == 3
