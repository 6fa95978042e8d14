"""Composition, overrides, and what is refused with the nearest right name."""

import pytest
from omegaconf import OmegaConf

from ldm.config.compose import ConfigError, check_keys, compose, overridden, resolved
from ldm.config.groups import members
from ldm.config.validate import allow, allowed, locate

DEMO = "experiment=demo/digits"

NOT_ALLOWED = [
    "os.system",
    "builtins.eval",
    "torch.hub.load",
    "torch.load",
    "diffusers.utils.load_image",
    "data.images.listing.os.system",  # a way out of an allowed package
    "data.images.folder.Path",
    "torch.nn.Module.__init__.__globals__",
    "data.files.whole.write_whole",  # allowed packages have functions that write files
    "data.files.download.download",
    "ldm.run.folder.Run.keep_config",
    "ldm.no_such_module.Thing",
    "ldm",
]


@pytest.fixture(scope="module")
def composed():
    return compose([DEMO])


@pytest.fixture
def demo(composed):
    return composed.copy()


def test_an_experiment_names_its_run_folder_unless_one_is_given(demo):
    assert demo.run == "runs/demo/digits"
    assert compose([DEMO, "run=elsewhere"]).run == "elsewhere"


def test_numbers_of_the_command_line_reach_all_that_refers_to_them():
    config = compose([DEMO, "seed=3"])
    assert config.data.seed == 3
    assert not any("${" in str(value) for value in config.values())


def test_groups_may_be_named_without_an_experiment():
    groups = ["data=imagenet256", "tokenizer=kl_f8", "prior=dit", "sampler=ddim"]
    assert compose([*groups, "run=runs/mine"]).prior.backbone.width == 1152
    with pytest.raises(ConfigError, match=r"name an experiment: experiment=.*demo/digits"):
        compose(groups)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        (
            "tokenizer.bottlneck.groups=4",
            r"unknown key 'tokenizer\.bottlneck\.groups': did you mean "
            r"'tokenizer\.bottleneck\.groups'\?",
        ),
        ("+prior.backbone.widht=4", r"'prior\.backbone\.widht': did you mean 'width'"),
        ("tokeniser=gsq_f16", "'tokeniser': did you mean 'tokenizer'"),
        ("experiment=demo/digts", "no experiment 'demo/digts': did you mean 'demo/digits'"),
        ("tokenizer=gsq_f61", "no tokenizer 'gsq_f61': did you mean 'gsq_f16'"),
        ("data=null", "no data 'null': choose one of"),
        ("data=image_folder", r"nothing is set for data\.root: data\.root="),
        ("tokenizer.training.samples=abc", r"samples must be a whole number, got 'abc'"),
        (
            "tokenizer.encoder.multipliers=[1,x]",
            r"multipliers must be a list, each a whole number, got",
        ),
        ("trainer.checkpointing=3", r"trainer\.checkpointing must be true or false, got 3"),
        ("eval.extractor=vgg", r"eval\.extractor must be one of inception, classifier"),
        ("prior.objective=3", r"objective must be what has a _target_ \(Objective\), got 3"),
        ("seed=abc", "seed must be a whole number, got 'abc'"),
        ("seed=-1", "seed must be at least 0 and .*, got -1"),
        ("stages=tokenizer", "stages must be a list, each a string, got 'tokenizer'"),
        ("tokenizer.encoder.width", "expected key=value, got 'tokenizer.encoder.width'"),
        ("sampler=[3]", r"no sampler '\[3\]': choose one of"),
        ("sampling=3", "sampling must have a _target_, got 3"),
        ("guidance=null", "guidance must have a _target_, got None"),
        ("prior.training=3", r"prior\.training must be null or have a _target_, got 3"),
        ("run=${oc.env:NOPE}", "run cannot be resolved: .*'NOPE' not found"),
        ("prior.backbone.depth=${nope:3}", "depth cannot be resolved: Unsupported .* nope"),
        ("run=${.run}", "run cannot be resolved: Recursive interpolation"),
        ("hydra.launcher=3", "hydra.launcher must have a _target_, got 3: choose hydra/launch"),
        ("hydra.sweeper=null", "hydra.sweeper must have a _target_, got None: choose hydra/sw"),
        ("hydra.verbose=${oc.env:NOPE}", "hydra.verbose cannot be resolved: .*'NOPE' not found"),
        ("hydra.job.chdir=maybe", "hydra.job.chdir=maybe: Value 'maybe' is not a valid bool"),
        ("hydra.mode=7", r"hydra.mode=7: Invalid value '7', expected one of \[RUN, MULTIRUN\]"),
    ],
)
def test_a_wrong_override_is_named(override, message):
    with pytest.raises(ConfigError, match=message):
        compose([DEMO, override] if not override.startswith("experiment") else [override])


def test_options_that_hydra_resolves_when_a_job_starts_are_left_to_it():
    compose([DEMO, "hydra.sweep.subdir=${hydra:job.num}", "hydra.run.dir=runs/${hydra.job.name}"])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("tokenizer: {bottlneck: {groups: 4}}", r"'tokenizer\.bottlneck': did you mean 'bottlen"),
        ("tokenizer: {bottleneck: {group: 4}}", "'tokenizer.bottleneck.group': did you mean 'grou"),
        ("tokenizer: {training: {sampels: 4}}", "'tokenizer.training.sampels': did you mean 'samp"),
        ("sampler: {step: 4}", r"unknown key 'sampler\.step': did you mean 'steps'"),
        ("tokeniser: {x: 4}", "unknown key 'tokeniser': did you mean 'tokenizer'"),
        ("prior: {training: {batch_size: small}}", r"batch_size must be a whole number"),
    ],
)
def test_a_wrong_line_of_an_experiment_file_is_named(tmp_path, monkeypatch, line, message):
    write(tmp_path, monkeypatch, "experiment/mine", line)
    with pytest.raises(ConfigError, match=message):
        compose(["experiment=mine"])


def write(folder, monkeypatch, name, text):
    """Put a configuration of one's own beside the shipped ones."""
    path = folder / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"# @package _global_\ndefaults: [demo/digits, _self_]\n{text}\n")
    monkeypatch.setenv("LDM_CONFIGS", str(folder))


def test_configurations_of_ones_own_are_found_beside_the_shipped_ones(tmp_path, monkeypatch):
    write(tmp_path, monkeypatch, "experiment/mine/small", "prior: {backbone: {width: 64}}")
    (tmp_path / "sampler").mkdir()
    (tmp_path / "sampler" / "quick.yaml").write_text("_target_: ldm.samplers.EulerODE\nsteps: 3\n")
    assert {"mine/small", "demo/digits"} <= set(members("experiment"))
    config = compose(["experiment=mine/small", "sampler=quick"])
    assert (config.run, config.prior.backbone.width) == ("runs/mine/small", 64)
    assert config.sampler.steps == 3
    assert overridden(config, ["sampler=quick"]).sampler.steps == 3
    with pytest.raises(ConfigError, match="did you mean 'mine/small'"):
        compose(["experiment=mine/smal"])
    with pytest.raises(ConfigError, match="no sampler 'quik': did you mean 'quick'"):
        compose(["experiment=mine/small", "sampler=quik"])


def test_a_folder_of_configurations_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setenv("LDM_CONFIGS", "/no/such/folder")
    with pytest.raises(ConfigError, match="LDM_CONFIGS=/no/such/folder is no folder"):
        compose([DEMO])


def test_a_package_of_ones_own_is_allowed_by_the_user_alone(tmp_path, monkeypatch, demo):
    (tmp_path / "my_package.py").write_text(
        "from ldm.samplers import EulerODE as Mine\nclass Own(Mine): ...\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("LDM_ALLOW", "")
    demo.sampler = {"_target_": "my_package.Own", "steps": 3}
    with pytest.raises(ConfigError, match=r"refused: .*add allow=\[my_package\] to the command"):
        overridden(demo, [])
    demo.allow = ["my_package"]  # a run folder cannot
    with pytest.raises(ConfigError, match="unknown key 'allow'"):
        overridden(demo, [])
    del demo.allow
    allow("[my_package]")
    assert allowed()[-1] == "my_package"
    assert overridden(demo, []).sampler._target_ == "my_package.Own"
    with pytest.raises(ConfigError, match=r"os\.system is refused"):
        locate("os.system")


@pytest.mark.parametrize("target", NOT_ALLOWED)
def test_targets_outside_the_allowed_packages_are_refused(demo, target):
    demo.tokenizer.bottleneck = {"_target_": target}
    with pytest.raises(ConfigError, match=r"tokenizer\.bottleneck\._target_=.*(refused|found)"):
        overridden(demo, [])
    with pytest.raises(ConfigError, match=r"tokenizer\._target_=.*(refused|found)"):
        compose([DEMO, f"tokenizer._target_={target}"])


def test_a_refused_target_has_not_been_called(tmp_path, demo):
    trace = tmp_path / "trace"
    demo.data = {"_target_": "pathlib.Path.touch", "self": {"_target_": "pathlib.Path"}}
    demo.logger = {"one": {"_target_": "os.mkdir", "path": str(trace)}}
    with pytest.raises(ConfigError, match="refused"):
        overridden(demo, [])
    assert not trace.exists()


def test_targets_inside_lists_are_looked_at_too(demo):
    demo.eval.scorers = ["samples", {"_target_": "os.system"}]
    with pytest.raises(ConfigError, match=r"eval\.scorers\.1\._target_=os\.system is refused"):
        overridden(demo, [])


def test_what_configs_name_can_be_located():
    from diffusers import DDIMScheduler

    from ldm.training.loggers import TensorBoard

    assert locate("diffusers.schedulers.DDIMScheduler") is DDIMScheduler
    assert locate("ldm.training.loggers.TensorBoard") is TensorBoard


@pytest.mark.parametrize(
    ("override", "key", "value"),
    [
        ("sampler.eta=0.5", "sampler.eta", 0.5),
        ("+sampler.offset=1", None, 1),
        ("++sampler.steps=7", "sampler.steps", 7),
        ("~eval.lpips", "eval.lpips", None),
        ("eval.scorers=[reconstructions, samples]", None, ["reconstructions", "samples"]),
        ("guidance.interval=[0.1,inf]", "guidance.interval", [0.1, float("inf")]),
        ("prior.checkpoint='a=b (1).safetensors'", "prior.checkpoint", "a=b (1).safetensors"),
    ],
)
def test_a_run_is_overridden_in_the_language_of_training(demo, override, key, value):
    key = key or override.lstrip("+").partition("=")[0]
    assert OmegaConf.select(overridden(demo, [override]), key) == value
    trained = compose(["experiment=demo/digits", override])
    assert OmegaConf.select(trained, key) == value


def test_a_runs_configuration_is_overridden_by_group_and_key(demo):
    config = overridden(demo, ["sampler=ddpm", "sampler.steps=7", "guidance.scale=2"])
    assert config.sampler._target_ == "ldm.samplers.DDPM"
    assert config.sampler.steps == 7
    assert config.guidance.scale == 2
    assert demo.sampler.steps == 50


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("sampler=ddimm", "no sampler 'ddimm': did you mean 'ddim'"),
        ("sampler.stps=3", "unknown key 'sampler.stps': did you mean 'steps'"),
        ("sampler.etta=1", "unknown key 'sampler.etta': did you mean 'eta'"),
        ("sampler.ofset=1", "did you mean 'offset'"),
        ("sampler.steps", "expected key=value, got 'sampler.steps'"),
        ("guidance.shrink=3", r"unknown key .guidance.shrink.*write \+guidance.shrink="),
        ("guidance.scale=big", "guidance.scale must be a number, got 'big'"),
        ("guidance.scale=1,2", "guidance.scale=1,2 is a sweep over several values"),
        ("prior.checkpoint=a=b", "prior.checkpoint=a=b cannot be read"),
    ],
)
def test_a_wrong_override_of_a_run_is_named(demo, override, message):
    with pytest.raises(ConfigError, match=message):
        overridden(demo, [override])


def test_one_stage_asks_only_for_what_it_needs(demo):
    demo.prior = demo.sampler = None
    with pytest.raises(ConfigError, match=r"no prior is named: prior=.* \| dit \| "):
        overridden(demo, [])
    demo.stages = ["tokenizer"]
    assert overridden(demo, []).prior is None


def test_a_tokenizer_from_elsewhere_needs_no_stage_of_its_own():
    config = compose([DEMO, "stages=[prior]", "tokenizer.checkpoint=some.safetensors"])
    assert config.tokenizer.checkpoint == "some.safetensors"


def test_members_are_the_files_of_a_group():
    assert {"ddim", "heun"} <= set(members("sampler"))
    assert "demo/digits" in members("experiment")
    assert {"dit", "rsgm"} <= set(members("prior"))
    assert not any(name.startswith("backbone/") for name in members("prior"))
    assert "mlp" in members("prior/backbone")


def test_a_composed_configuration_is_plain_yaml(demo):
    assert OmegaConf.create(OmegaConf.to_yaml(demo)) == demo


@pytest.mark.parametrize(
    "key",
    ["tokenizer.encoder.training", "prior.backbone.checkpoint", "tokenizer.bottleneck.training"],
)
def test_keys_of_a_stage_are_unknown_to_its_parts(key):
    with pytest.raises(ConfigError, match=f"unknown key '{key}'"):
        compose(["experiment=demo/digits", f"+{key}=3"])


def test_a_sampler_takes_options_that_its_file_leaves_out(demo):
    asked = ["sampler.eta=0.5", "sampler.offset=1"]
    for config in (compose(["experiment=demo/digits", *asked]), overridden(demo, asked)):
        assert config.sampler.eta == 0.5
        assert config.sampler.offset == 1
        assert config.sampler.steps == demo.sampler.steps
    with pytest.raises(ConfigError, match=r"unknown key 'sampler\.etta': did you mean 'eta'"):
        compose(["experiment=demo/digits", "sampler.etta=1"])
    demo.sampler = {"eta": 1}
    with pytest.raises(ConfigError, match="sampler has no _target_: choose sampler="):
        resolved(demo)


def test_keys_of_a_member_that_is_chosen_anew_are_not_those_of_the_run(tmp_path):
    (tmp_path / "prior").mkdir()
    OmegaConf.save({"eval": {"scorers": []}}, tmp_path / "prior" / "config.yaml")
    check_keys(tmp_path, ["eval=classifier", "eval.samples=100"])
    with pytest.raises(ConfigError, match=r"unknown key 'eval\.samples'"):
        check_keys(tmp_path, ["eval.samples=100"])
