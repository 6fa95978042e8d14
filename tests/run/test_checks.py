"""Errors found before training: parts that do not fit, and missing weights."""

import re
from urllib.error import URLError

import pytest
import torch
from safetensors.torch import save_file

import train
from data import Digits
from data.files.errors import DataError
from eval import __main__ as scorer
from ldm.config.compose import ConfigError, compose
from ldm.hub.weights import BadCheckpoint
from ldm.run.experiment import prepare
from ldm.run.folder import Run
from ldm.run.models import build_models
from ldm.run.parts import Parts, build_data
from ldm.run.sampling import check_sampler

BOTH = ["tokenizer", "prior"]
LPIPS = "tokenizer.training.loss.perceptual={_target_: ldm.losses.LPIPS}"


@pytest.fixture
def offline(tmp_path, monkeypatch):
    """Refuse downloads, and use empty caches."""

    def refuse(*_, **__):
        raise URLError("offline")

    monkeypatch.setattr("data.files.download.urllib.request.urlopen", refuse)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("LDM_CACHE", str(tmp_path / "cache"))


def check(tmp_path, *overrides, data=None, stages=BOTH):
    """Prepare all but the training itself."""
    config = compose(["experiment=demo/digits", f"run={tmp_path}/run", *overrides])
    config.stages = stages
    data = data or Digits()
    parts = Parts(config, data, build_models(config, data, stages))
    prepare(parts, Run(config.run), stages)


@pytest.fixture(scope="module")
def draw():
    """`draw(overrides)`: try the sampler of the demo."""

    def draw(*overrides):
        config = compose(["experiment=demo/digits", *overrides])
        data = build_data(config)
        prior = build_models(config, data, ["prior"], "meta")["prior"]
        check_sampler(config, "prior", prior, data)

    return draw


def test_the_demo_passes_and_leaves_nothing_behind(tmp_path):
    check(tmp_path)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["sampler=flow_euler"], "GaussianDiffusion has no velocity"),
        (["sampler.steps=0"], "sampler.steps must be 1 or more, got 0"),
        (["sampler.steps=1001"], "the sampler does not fit the prior"),
        (["sampler.steps=1001"], "steps must be between 1 and the prior's 1000, got 1001"),
        (["+sampler.etta=1"], "unknown key 'sampler.etta': did you mean 'eta'"),
        (["prior.conditioning=null", "guidance.scale=2"], "no conditions to guide by"),
        (["guidance.interval=[3,1]"], "guidance: .*0 <= low < high"),
    ],
)
def test_a_sampler_that_does_not_fit_is_refused(draw, overrides, message):
    with pytest.raises(ConfigError, match=message):
        draw(*overrides)


def test_a_diffusion_sampler_is_refused_for_a_flow(tmp_path):
    groups = ["data=imagenet256", "tokenizer=kl_f8", "prior=sit", "sampler=ddim"]
    config = compose([*groups, f"run={tmp_path}"])
    data = build_data(config)
    prior = build_models(config, data, ["prior"], "meta")["prior"]
    with pytest.raises(ConfigError, match="got a LinearFlow: sample a flow with EulerODE"):
        check_sampler(config, "prior", prior, data)


def test_options_of_a_sampler_and_guidance_are_taken(draw):
    draw("+sampler.eta=0.5", "guidance.scale=2", "guidance.interval=[0.1,5]")
    # It is tried with these very options: the same ones are refused with a value of no use.
    with pytest.raises(ConfigError, match="eta"):
        draw("+sampler.eta=many", "guidance.scale=2", "guidance.interval=[0.1,5]")


def test_shards_of_latents_that_are_missing_or_tell_too_little_are_found(tmp_path):
    shards = f"+prior.training.latent_shards={tmp_path}/latents"
    with pytest.raises(DataError, match=r"no latents in .*/latents: expected files latents_rank"):
        check(tmp_path, shards)
    (tmp_path / "latents").mkdir()
    one = {"latents": torch.zeros(1, 4, 4, 4), "labels": torch.zeros(1, dtype=torch.int64)}
    save_file(one, tmp_path / "latents" / "latents_rank00_shard000.safetensors")
    more = "+prior.conditioning.text={_target_: ldm.conditioning.Array, shape: [3]}"
    with pytest.raises(ConfigError, match="have labels alone, and this prior reads text"):
        check(tmp_path, shards, more, data=Digits(captions=True))


def test_missing_weights_of_a_loss_are_found_before_training(tmp_path, offline):
    with pytest.raises(ConfigError, match=r"tokenizer\.training\.loss.*vgg16.*not here"):
        check(tmp_path, LPIPS)


def test_a_loss_that_is_not_for_such_data_is_found(tmp_path, monkeypatch):
    monkeypatch.setattr("ldm.losses.LPIPS.load", lambda self: None)
    with pytest.raises(ConfigError, match=r"training\.loss does not fit digits: LPIPS .*16 pixels"):
        check(tmp_path, LPIPS)


def test_labels_that_the_prior_cannot_read_are_found(tmp_path):
    with pytest.raises(
        ConfigError, match=r"prior\.backbone\.classes=5 is fewer than the 10 classes"
    ):
        check(tmp_path, "+prior.backbone.classes=5")
    unlabelled = Digits()
    unlabelled.class_names = ()
    with pytest.raises(ConfigError, match=r"and the data has 0: .* set prior\.conditioning=null"):
        check(tmp_path, data=unlabelled)


def test_random_crops_are_not_cached(tmp_path):
    class Cropped(Digits):
        views = ()

    with pytest.raises(ConfigError, match=r"too many views .* set trainer\.cache_latents=false"):
        check(tmp_path, data=Cropped())
    check(tmp_path, "trainer.cache_latents=false", data=Cropped())


def test_an_unconditional_prior_takes_data_without_labels(tmp_path):
    data = Digits()
    data.class_names = ()
    check(tmp_path, "prior.conditioning=null", data=data)


def test_states_that_cannot_be_resumed_are_found(tmp_path):
    path = tmp_path / "run" / "prior" / "checkpoints" / "last.ckpt"
    path.parent.mkdir(parents=True)
    torch.save({"samples_seen": 3}, path)
    with pytest.raises(BadCheckpoint, match=r"last\.ckpt is not a state of this training"):
        check(tmp_path)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(BadCheckpoint, match=r"last\.ckpt is truncated or corrupt.*delete it"):
        check(tmp_path)
    check(tmp_path, stages=["tokenizer"])


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("eval.samples=1", "samples must be 2 or more, got 1"),
        ("eval.batch_size=0", "batch_size must be 1 or more and seed in .*, got 0 and 0"),
        ("eval.mass=-4", "mass must be 0 or more"),
        ("eval.kernel_share=5", r"kernel_share in \[0, 1\)"),
        ("eval.likelihood.tolerance=0", "a tolerance must be above 0, got 0"),
        ("prior.training.clip=-1", "clip must be above 0, or null for no limit, got -1"),
        ("prior.training.samples=0", "training needs 1 sample or more"),
        ("prior.training.optimizer.lr=0", "prior.training: .*rate must be above 0, got 0"),
        ("prior.training.optimizer.lr=-1e-3", "prior.training: Invalid learning rate: -0.001"),
        ("prior.training.schedule.warmup=-5", "schedule.warmup must be 0 or more, got -5"),
        ("+prior.training.schedule.final=-1", "schedule: final must be a factor of 0 or more"),
        (
            "prior.training.selection={_target_: ldm.training.Selection, every: 0, likelihood: "
            "{_target_: ldm.samplers.Likelihood}}",
            "every and points to be 1 or more, got 0",
        ),
        ("data.workers=-1", "data: workers must be 0 or more, got -1"),
        ("run=", "run is empty"),
    ],
)
def test_values_of_no_use_are_refused_before_training(tmp_path, option, message, capsys):
    with pytest.raises(SystemExit):
        train.main(["experiment=demo/sphere", f"run={tmp_path}", option])
    assert re.search(message, capsys.readouterr().err)
    assert {path.name for path in tmp_path.iterdir()} <= {".lock"}


def test_an_unfinished_run_of_points_is_not_scored(tmp_path, capsys):
    options = ["data.size=200", "prior.training.samples=64", f"run={tmp_path / 'run'}"]
    config = compose(["experiment=demo/sphere", *options])
    Run(config.run).keep_config("prior", config)
    with pytest.raises(SystemExit):
        scorer.main([f"run={tmp_path / 'run'}"])
    assert "has no trained prior to score" in capsys.readouterr().err
