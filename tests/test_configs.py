"""Every shipped configuration composes and builds at its full size, on the meta device."""

import re

import pytest
import torch
import yaml
from shipped import IMAGES, SIZED, splits_without_files

from data import Degraded, FirstFrame, VideoFolder
from data.graphs.base import Graphs
from data.images.folders import Folders
from data.molecules.base import Molecules
from ldm.config.compose import compose
from ldm.config.groups import CONFIGS, members
from ldm.run.models import build_models
from ldm.run.parts import Parts, build_data, build_guidance, build_part, build_sampler
from ldm.run.sampling import check_sampler
from ldm.run.stages import build_training
from ldm.samplers.spacing import spaced
from ldm.spaces import Flat
from ldm.training import PriorTraining


def check(config):
    """Build all stages on meta, and all of their training but the weights it would download."""
    data = build_data(config)
    parts = Parts(config, data, build_models(config, data, list(config.stages), "meta"))
    for stage in config.stages:
        with torch.device("meta"):
            training = build_training(parts, stage)
        training.configure_optimizers()
        assert training.samples >= training.batch_size
        learned = isinstance(training, PriorTraining) and training.latents.learned
        assert data.views or not (learned and config.trainer.cache_latents), "it would be refused"
    if parts.prior is not None:
        if config.sampler.get("steps", 0) > 3:
            config.sampler.steps = 3  # a first, an inner and a last one
        check_sampler(config, parts.stage, parts.prior, data)
    return parts


def requests_without_files(self, indices, seed):
    """Whatever the sizes and properties of samples that would have to be read or enumerated."""
    asked = {key: value for key, value in self.example(len(indices)).items() if key != "x"}
    return {"index": torch.tensor(list(indices)), **asked}


GROUPS = {"override /prior/process", "override /sampler"}
NUMBERS = {"data.size", "eval", "guidance", "prior.objective", "prior.process", "prior.training"}
NUMBERS |= {"sampler", "tokenizer.bottleneck", "tokenizer.checkpoint", "tokenizer.training"}
NUMBERS |= {"tokenizer.encoder", "tokenizer.decoder", "data.stride", "data.train"}
NUMBERS |= {"prior.told", "data.frames"}
HALVED = "pvdm_s"  # a backbone whose parameters are counted in test_published_sizes
WF_VAES = {"wf_vae_m", "wf_vae_l", "wf_vae_l_c16", "causal_vae"}  # tokenizers counted there
CLIPS = {
    "sky_timelapse",
    "taichi_hd",
    "ucf101",
    "mhad",
    "natops",
}  # data that hand nothing over but their shape


def is_row(name):
    """True if it extends another experiment by members and numbers that have tests of their own."""
    own = yaml.safe_load((CONFIGS / "experiment" / f"{name}.yaml").read_text())
    base, *rest = own.pop("defaults", [""])
    pairs = [pair for one in rest if isinstance(one, dict) for pair in one.items()]
    tested = {*CLIPS, HALVED, *WF_VAES}
    known = [group for group, member in pairs if SIZED.fullmatch(member) or member in tested]
    groups = {group for group, _ in pairs} - set(known)
    keys = {
        f"{top}.{key}" if isinstance(node, dict) and top in ("data", "prior", "tokenizer") else top
        for top, node in own.items()
        for key in (node if isinstance(node, dict) else [""])
    }
    return str(base).startswith("/experiment/") and groups <= GROUPS and keys <= NUMBERS


@pytest.mark.parametrize("name", [name for name in members("experiment") if is_row(name)])
def test_every_row_of_a_table_composes(name):
    assert compose([f"experiment={name}"]).run == f"runs/{name}"


@pytest.mark.parametrize("name", [name for name in members("experiment") if not is_row(name)])
def test_every_experiment_builds(name, request, monkeypatch):
    for kind in (Degraded, FirstFrame, Graphs, Molecules, VideoFolder):
        monkeypatch.setattr(kind, "requests", requests_without_files)
    monkeypatch.setattr(Folders, "splits", splits_without_files)
    config = compose([f"experiment={name}"])
    if "Mesh" in str(config.tokenizer):
        monkeypatch.setenv("LDM_DATA", str(request.getfixturevalue("shared_data")))
    check(config)
    for part in ("eval", "trainer"):
        build_part(config, part)


# Those of points, and of binary digits, are built by the experiments that they are for.
@pytest.mark.parametrize("name", [m for m in members("tokenizer") if re.search(r"_f\d+$", m)])
def test_every_tokenizer_builds_at_the_papers_size(name):
    check(compose([*IMAGES, f"tokenizer={name}", "stages=[tokenizer]"]))


@pytest.mark.parametrize("name", ["wf_vae_s", "causal_vae"])
def test_causal_tokenizers_build_for_clips_of_1_and_4_k_frames(name):
    clips = ["data=moving_digits", "data.frames=17", "run=runs/test", "eval=none"]
    parts = check(compose([f"tokenizer={name}", *clips, "stages=[tokenizer]"]))
    assert parts.tokenizer.space == Flat([4, 5, 8, 8])


@pytest.mark.parametrize("name", members("tokenizer/bottleneck"))
def test_every_bottleneck_stands_between_the_same_networks(name):
    groups = ["tokenizer=gsq_f16", f"tokenizer/bottleneck={name}", "stages=[tokenizer]"]
    config = compose([*IMAGES, *groups])
    models = build_models(config, build_data(config), ["tokenizer"], "meta")
    bottleneck = models["tokenizer"].bottleneck
    channels, *grid = bottleneck.space.shape
    assert grid == [16, 16]
    assert bottleneck.in_channels == channels * (2 if name == "gaussian" else 1)  # also variances


def test_a_riemannian_prior_of_images_builds_on_stable_diffusions_latents():
    groups = ["tokenizer=kl_f8", "prior=rfm_dit", "sampler=flow_heun", "stages=[prior]"]
    assert check(compose([*IMAGES, *groups])).tokenizer.space == Flat([4, 32, 32])


@pytest.mark.parametrize(
    ("tokenizer", "prior", "sampler"),
    [
        ("kl_f8", "dit", "ddim"),
        ("vq_f8", "sit", "flow_heun"),
        ("gsq_f8", "rfm_dit", "geodesic_walk"),
    ],
)
def test_the_size_of_the_data_alone_makes_all_parts_rectangular(tokenizer, prior, sampler):
    groups = [f"tokenizer={tokenizer}", f"prior={prior}", f"sampler={sampler}"]
    parts = check(compose([*IMAGES, *groups, "data.size=[128,256]"]))
    assert parts.data.shape == (3, 128, 256)
    assert parts.tokenizer.space.shape[1:] == (16, 32)
    assert parts.prior.backbone.pos_embed.shape[1] == 8 * 16


@pytest.fixture(scope="module")
def priors():
    """A diffusion and a flow prior on Stable Diffusion's latents, with their data."""
    found = {}
    for name in ("dit", "sit"):
        few = ["sampler=ddim", "prior.backbone.depth=2"]
        config = compose([*IMAGES, "tokenizer=kl_f8", f"prior={name}", *few])
        data = build_data(config)
        found[name] = build_models(config, data, ["prior"], "meta")["prior"], data
    return found


@pytest.mark.parametrize("name", members("sampler"))
def test_every_sampler_draws_from_the_prior_it_is_for(name, priors):
    kind = "sit" if name.startswith(("flow", "adaptive", "geodesic", "euler_m")) else "dit"
    config = compose([*IMAGES, "tokenizer=kl_f8", f"prior={kind}", f"sampler={name}"])
    check_sampler(config, "prior", *priors[kind])


ASKED = {"root": "somewhere", "degradation": "{_target_: data.images.masks.Masked}"}


@pytest.mark.parametrize("group", ["data", "eval", "trainer", "logger"])
def test_every_other_member_is_what_it_says(group):
    for name in members(group):
        text = (CONFIGS / group / f"{name}.yaml").read_text()
        extra = [f"data.{key}={given}" for key, given in ASKED.items() if f"{key}: ???" in text]
        config = compose(["experiment=demo/digits", f"{group}={name}", *extra])
        if group == "logger":
            assert all("_target_" in node for node in (config.logger or {}).values())
        else:
            build_part(config, group)


def test_configurations_of_samplers_and_guidance_are_their_own_parts():
    config = compose(["experiment=demo/digits", "guidance.scale=3", "sampler.steps=7"])
    assert build_sampler(config).steps == 7
    assert build_guidance(config).scale == 3


def test_churches_are_drawn_at_the_times_that_400_steps_are_to_their_authors():
    sampler = compose(["experiment=ldm/lsun_churches"]).sampler
    times = spaced(sampler.spacing, 1000, sampler.steps, sampler.offset)
    assert times.flip(0).tolist() == [t + 1 for t in range(0, 1000, 1000 // 400)]


@pytest.mark.parametrize(
    "name", ["ldm/imagenet_f4", "stable_diffusion/v1_5", "pvdm/ucf101_l", "lvdm/ucf101"]
)
def test_averages_of_latent_diffusion_begin_with_a_small_decay(name):
    assert compose([f"experiment={name}"]).prior.training.ema_warmup is True


def test_there_is_one_preparation_of_openimages():
    first_stage = compose(["experiment=compvis/kl_f8"]).data
    named = ["data=openimages", "tokenizer=kl_f8", "stages=[tokenizer]", "run=unused", "eval=none"]
    assert first_stage == compose(named).data
    assert (first_stage.short_side, first_stage.flip) == (384, False)
