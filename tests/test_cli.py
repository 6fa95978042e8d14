"""The commands as a user meets them: one message and exit code 2 for what is wrong, in time."""

import errno
import shutil
from urllib.error import URLError

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from PIL import Image
from pytorch_lightning.utilities.exceptions import SIGTERMException

import eval.__main__
import sample
import train
from data.files.whole import StorageFull
from ldm.cli import command, take
from ldm.config.compose import ConfigError
from ldm.training import Diverged

DEMO = "experiment=demo/digits"
POINTS = [
    "stages=[prior]",
    "data=vmf",
    "tokenizer=points/sphere",
    "prior=rfm",
    "sampler=flow_euler",
]


@pytest.fixture
def refused(capsys, monkeypatch):
    """Runs a command that must stop before any stage; returns the one message it leaves."""

    def untimely(*_, **__):
        raise AssertionError("training had begun")

    def run(main, *arguments: str) -> str:
        with monkeypatch.context() as patch:
            patch.setattr("ldm.run.experiment.train_stage", untimely)
            with pytest.raises(SystemExit) as stopped:
                main(list(arguments))
        assert stopped.value.code == 2
        message = capsys.readouterr().err
        assert message.count("error: ") == 1
        assert "Traceback" not in message
        return message

    return run


@pytest.fixture
def pictures(tmp_path):
    """Two classes of ten grey pictures of 8x8, and the overrides that read them."""
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for number in range(10):
            pixels = rng.integers(0, 256, (8, 8), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "pets" / name / f"{number}.png")
    return tmp_path / "pets"


def folder(root) -> list[str]:
    options = ["data.size=8", "data.channels=1", "data.workers=0"]
    return ["data=image_folder", f"data.root={root}", *options]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["data=digits"], "no tokenizer is named: tokenizer=delta_vae_r3 |"),
        ([DEMO, "tokenizer.bottlneck.groups=4"], "did you mean 'tokenizer.bottleneck.groups'?"),
        (["experiment=demo/digts"], "did you mean 'demo/digits'?"),
        ([DEMO, "sampler=ddimm"], "did you mean 'ddim'?"),
        ([DEMO, "tokenizer.training.samples=abc"], "samples must be a whole number, got 'abc'"),
        ([DEMO, "tokenizer._target_=os.system"], "tokenizer._target_=os.system is refused"),
        ([DEMO, "stage=pryor"], "no stage pryor: choose from tokenizer, prior"),
        ([DEMO, "sampler=flow_euler"], "the sampler does not fit the prior"),
        ([DEMO, "prior.process.schedule=cosin"], "prior.process: no schedule 'cosin'"),
        ([DEMO, "tokenizer.bottleneck.shape=[4,8,8]"], "the tokenizer does not fit data of shape"),
        ([DEMO, "stage=prior", "tokenizer.checkpoint=none.safetensors"], "no checkpoint at none"),
        ([DEMO, *folder("/no/such/folder")], "/no/such/folder"),
        (
            [DEMO, "prior=rsgm"],
            "unknown key 'prior.backbone.patch': did you mean 'depth'?; the settings of "
            "experiment=demo/digits are for prior=dit: keep that, or name all groups",
        ),
        (
            ["experiment=ours/flood", "prior=dit"],
            "the settings of experiment=ours/flood are for prior=waves: keep that, or name all",
        ),
        (
            ["experiment=demo/sphere", "eval=classifier"],
            "the settings of experiment=demo/sphere are for eval=points: keep that",
        ),
        ([*POINTS, "eval=classifier"], "vMF holds no images: choose eval=points"),
        ([*POINTS, "eval=inception"], "vMF holds no images: choose eval=points"),
    ],
)
def test_what_is_wrong_is_said_before_training(refused, tmp_path, arguments, message):
    assert message in refused(train.main, *arguments, f"run={tmp_path}/run")


@pytest.mark.parametrize("evaluation", ["eval=inception", "eval.lpips=true"])
def test_weights_that_only_the_evaluation_needs_are_missed_before_training(
    refused, tiny, tmp_path, monkeypatch, evaluation
):
    def offline(*_, **__):
        raise URLError("offline")

    monkeypatch.setattr("data.files.download.urllib.request.urlopen", offline)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    message = refused(train.main, *tiny, evaluation)
    assert "weights" in message
    assert "not here and could not be fetched" in message


def test_unlabelled_data_has_no_classifier_to_be_scored_by(refused, tiny, pictures):
    for path in pictures.glob("*/*.png"):
        path.rename(pictures / f"{path.parent.name}{path.name}")
    for name in ("cat", "dog"):
        (pictures / name).rmdir()
    arguments = [*tiny, *folder(pictures), "prior.conditioning=null"]
    assert "no labels to train a classifier on" in refused(train.main, *arguments)


def test_an_empty_folder_is_refused(refused, tiny, tmp_path):
    (tmp_path / "empty").mkdir()
    assert "no images under" in refused(train.main, *tiny, *folder(tmp_path / "empty"))


def test_a_damaged_picture_is_named_or_left_out_and_counted(refused, tiny, pictures, caplog):
    path = pictures / "cat" / "3.png"
    path.write_bytes(path.read_bytes()[:50])
    message = refused(train.main, *tiny, *folder(pictures))
    assert "1 of 20 images" in message
    assert str(path) in message
    # On to what is wrong further on.
    skipping = [*folder(pictures), "data.skip_corrupt=true", "sampler=flow_euler"]
    assert "the sampler does not fit" in refused(train.main, *tiny, *skipping)
    assert "1 of 20 images" in caplog.text
    assert "left out" in caplog.text


def test_a_picture_with_nan_is_named(refused, tiny, pictures):
    pixels = np.full((8, 8), np.nan, np.float32)
    Image.fromarray(pixels).save(pictures / "dog" / "broken.tiff")
    message = refused(train.main, *tiny, *folder(pictures))
    assert "broken.tiff holds NaN" in message


def test_latents_of_one_crop_are_not_cached_where_crops_are_random(refused, tiny, pictures):
    two = ["data.crop=random"]
    message = refused(train.main, *tiny, *folder(pictures), *two)
    assert "trainer.cache_latents=false, or, for random crops, data.crop=center" in message
    # Either remedy leads on to what is wrong further on.
    for remedy in ("trainer.cache_latents=false", "data.crop=center"):
        message = refused(train.main, *tiny, *folder(pictures), *two, remedy, "sampler=flow_euler")
        assert "the sampler does not fit" in message


class Unsafe:
    def __reduce__(self):
        return print, ("code ran",)


def damage(path, how: str) -> None:
    if how == "pickle":
        torch.save({"x": Unsafe()}, path)
    else:
        path.write_bytes(path.read_bytes()[:-100])


@pytest.mark.parametrize(
    ("how", "message"), [("pickle", "can run any code"), ("truncated", "truncated or")]
)
@pytest.mark.parametrize("file", ["model.safetensors", "checkpoints/last.ckpt"])
def test_a_damaged_file_of_a_run_stops_it(refused, trained, tmp_path, file, how, message):
    run = shutil.copytree(trained, tmp_path / "run")
    path = run / "tokenizer" / file
    damage(path, how)
    if "last" in file:
        (run / "tokenizer" / "model.safetensors").unlink()  # the stage is to be resumed
    begun = OmegaConf.load(run / "tokenizer" / "config.yaml")
    OmegaConf.update(begun, "run", str(run))
    said = refused(lambda _: command(lambda _: train.train(begun))([]))
    assert str(path) in said
    assert message in said


def test_a_stage_whose_configuration_is_cut_short_is_not_gone_on_with(refused, trained, tmp_path):
    run = shutil.copytree(trained, tmp_path / "run")
    path = run / "tokenizer" / "config.yaml"
    begun = OmegaConf.load(path)
    OmegaConf.update(begun, "run", str(run))
    path.write_text(path.read_text()[:1000])
    message = refused(lambda _: command(lambda _: train.train(begun))([]))
    assert f"{path} is cut short or damaged" in message
    assert len(path.read_text()) == 1000


@pytest.mark.parametrize(
    ("how", "message"), [("pickle", "can run any code"), ("truncated", "truncated or")]
)
def test_a_damaged_tokenizer_is_refused(refused, trained, tiny, tmp_path, how, message):
    path = tmp_path / "theirs.safetensors"
    shutil.copy(trained / "tokenizer" / "model.safetensors", path)
    damage(path, how)
    arguments = [*tiny, "stage=prior", f"tokenizer.checkpoint={path}"]
    assert message in refused(train.main, *arguments)


def test_a_tokenizer_of_another_latent_space_is_refused(refused, trained, tiny):
    path = trained / "tokenizer" / "model.safetensors"
    bottleneck = ["tokenizer.bottleneck.shape=[8,4,4]", "tokenizer.bottleneck.groups=4"]
    arguments = [*tiny, *bottleneck, "stage=prior"]
    message = refused(train.main, *arguments, f"tokenizer.checkpoint={path}")
    assert "of the latent space Flat(4, 4, 4), the configuration wants Flat(8, 4, 4)" in message


@pytest.mark.parametrize("file", ["last.ckpt", "model.safetensors"])
def test_a_device_that_fills_up_keeps_the_older_file(tiny, tmp_path, monkeypatch, capsys, file):
    def full(path):
        return OSError(errno.ENOSPC, "No space left on device", str(path))

    def half(state, path, *_, **__):
        path.write_bytes(b"half")
        raise full(path)

    writes = []
    if file == "last.ckpt":
        real = torch.save

        def second_fails(state, target, *arguments, **options):
            writes.append(1)
            if len(writes) == 2:
                raise full(target)
            return real(state, target, *arguments, **options)

        monkeypatch.setattr(torch, "save", second_fails)
    else:
        monkeypatch.setattr("ldm.hub.weights.save_file", half)
    with pytest.raises(SystemExit) as stopped:
        train.main([*tiny, "stage=tokenizer", "tokenizer.training.samples=256"])
    assert stopped.value.code == 2
    message = capsys.readouterr().err
    assert "no space left to save" in message
    assert file in message
    stage = tmp_path / "runs" / "digits" / "tokenizer"
    state = torch.load(stage / "checkpoints" / "last.ckpt", weights_only=True)
    assert state["samples_seen"] == (64 if file == "last.ckpt" else 256)
    assert not (stage / "model.safetensors").exists()
    assert not list(stage.rglob(".*"))  # nothing half written


@pytest.mark.parametrize("main", [sample.main, eval.__main__.main], ids=["sample", "eval"])
class TestRunFolders:
    def test_one_has_to_be_named_and_be_there(self, refused, tmp_path, main):
        assert "name a run folder" in refused(main)
        assert f"no run at {tmp_path}/none" in refused(main, f"run={tmp_path}/none")

    def test_an_unfinished_one_is_refused(self, refused, trained, tmp_path, main):
        run = shutil.copytree(trained, tmp_path / "run")
        (run / "tokenizer" / "model.safetensors").unlink()
        assert "is not trained to its end" in refused(main, f"run={run}")

    def test_a_damaged_one_is_refused(self, refused, trained, tmp_path, main):
        run = shutil.copytree(trained, tmp_path / "run")
        damage(run / "prior" / "model.safetensors", "truncated")
        assert "truncated or not a safetensors file" in refused(main, f"run={run}")

    @pytest.mark.parametrize("share", [0.0, 0.4, 0.8])
    def test_a_configuration_cut_short_is_refused(self, refused, trained, tmp_path, main, share):
        run = shutil.copytree(trained, tmp_path / "run")
        (run / "prior" / "config.yaml").unlink()
        path = run / "tokenizer" / "config.yaml"
        path.write_text(path.read_text()[: int(share * path.stat().st_size)])
        assert f"{path} is cut short or damaged" in refused(main, f"run={run}")

    def test_a_configuration_with_wrong_values_is_named(self, refused, trained, tmp_path, main):
        run = shutil.copytree(trained, tmp_path / "run")
        for path in run.glob("*/config.yaml"):
            path.write_text(path.read_text().partition("\neval:")[0] + "\neval:\n  _target_: eva\n")
        message = refused(main, f"run={run}")
        assert "config.yaml is not as training wrote it: eval._target_=eva is refused" in message

    @pytest.mark.parametrize(
        "target",
        [
            "os.system",
            "data.images.listing.os.system",
            "torch.hub.load",
            "diffusers.utils.load_image",
        ],
    )
    @pytest.mark.parametrize("place", ["data", "tokenizer.encoder", "sampler.scheduler"])
    def test_one_that_names_foreign_code_is_refused(
        self, refused, trained, tmp_path, main, place, target
    ):
        run = shutil.copytree(trained, tmp_path / "run")
        for path in run.glob("*/config.yaml"):
            config = OmegaConf.load(path)
            OmegaConf.update(config, f"{place}._target_", target)
            OmegaConf.save(config, path)
        message = refused(main, f"run={run}")
        assert f"{place}._target_={target}" in message

    def test_a_sampler_that_does_not_fit_is_refused(self, refused, trained, main):
        message = refused(main, f"run={trained}", "sampler=flow_heun")
        assert "the sampler does not fit the prior" in message


def test_sampling_without_a_prior_is_refused(refused, trained, tmp_path):
    run = shutil.copytree(trained, tmp_path / "run")
    (run / "prior" / "model.safetensors").unlink()
    assert "has no trained prior to sample from" in refused(sample.main, f"run={run}")


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("label=10", "label must be one of 0 to 9, got 10"),
        ("label=cat", "label must be int, got 'cat'"),
        ("n=0", "must be 1 or more, got 0"),
        ("batch_size=0", "must be 1 or more, got 64 and 0"),
        ("seed=-1", "seed must not be negative, got -1"),
        ("nn=3", "unknown key 'nn'"),
    ],
)
def test_what_cannot_be_sampled_is_refused(refused, trained, argument, message):
    assert message in refused(sample.main, f"run={trained}", argument)


@pytest.mark.parametrize("argument", ["n=0", "batch_size=0", "seed=-1"])
def test_numbers_of_no_use_are_refused_before_a_run_is_loaded(refused, tmp_path, argument):
    assert argument.partition("=")[0] in refused(sample.main, f"run={tmp_path}/none", argument)


def test_scores_that_cannot_be_had_are_refused(refused, trained):
    message = refused(eval.__main__.main, f"run={trained}", "eval.extractor=vgg")
    assert "eval.extractor must be one of inception, classifier" in message


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("x"), 2),
        (StorageFull(errno.ENOSPC, "x"), 2),
        (PermissionError(errno.EACCES, "x"), 2),
        (Diverged("x"), 1),
    ],
)
def test_errors_that_a_user_can_mend_are_messages(capsys, error, code):
    def main(arguments):
        raise error

    with pytest.raises(SystemExit) as stopped:
        command(main)([])
    assert stopped.value.code == code
    assert capsys.readouterr().err == f"error: {error}\n"


@pytest.mark.parametrize(("rank", "code"), [(0, 143), (1, 0), (3, 0)])
def test_told_to_stop_only_the_first_rank_fails(capsys, monkeypatch, rank, code):
    def main(arguments):
        raise SIGTERMException

    monkeypatch.setattr("ldm.distributed.rank", lambda: rank)
    with pytest.raises(SystemExit) as stopped:
        command(main)([])
    assert stopped.value.code == code
    assert ("state saved" in capsys.readouterr().err) == (rank == 0)


def test_errors_of_ours_keep_their_traceback():
    def main(arguments):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        command(main)([])


def test_a_commands_own_arguments_are_taken_by_kind():
    own, rest = take(["n=3", "a.b=4", "run=x=y", "flag"], n=int, run=str)
    assert own == {"n": 3, "run": "x=y"}
    assert rest == ["a.b=4", "flag"]
    with pytest.raises(ConfigError, match="n must be int, got 'many'"):
        take(["n=many"], n=int)


def test_a_job_of_a_sweep_says_what_is_wrong(refused, tmp_path, monkeypatch):
    arguments = ["--multirun", DEMO, "seed=0,1", "sampler=flow_euler"]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["train.py", *arguments])
    assert "the sampler does not fit the prior" in refused(train.main, *arguments)


@pytest.fixture
def sweep(tmp_path, monkeypatch):
    """`sweep(*arguments)`: sweep in an empty folder; the configuration that each job trains."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> list:
        trained = []
        monkeypatch.setattr(train, "train", trained.append)
        monkeypatch.setattr("sys.argv", ["train.py", "--multirun", *arguments])
        train.main(["--multirun", *arguments])
        return trained

    return run


def test_jobs_of_a_sweep_have_folders_named_after_what_they_override(sweep, tmp_path):
    swept = ["sampler.steps=3", "seed=0,1"]
    assert [job.run for job in sweep(DEMO, *swept)] == [
        f"runs/demo/digits,sampler.steps=3,seed={seed}" for seed in (0, 1)
    ]
    jobs = sweep("experiment=demo/sphere,demo/digits", "run=mine")
    assert [(job.run, job.data._target_) for job in jobs] == [
        ("mine", "data.VonMisesFisher"),
        ("mine", "data.Digits"),
    ]
    assert [job.run for job in sweep(DEMO, "run=mine", "seed=2,3")] == [
        "mine,seed=2",
        "mine,seed=3",
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]  # and no logs of Hydra's


def test_the_order_of_overrides_names_no_other_folder(sweep):
    first, second = ["sampler.steps=3", "seed=0,1"], ["seed=0,1", "sampler.steps=3"]
    assert [job.run for job in sweep(DEMO, *first)] == [job.run for job in sweep(DEMO, *second)]


def test_a_sweep_is_described_job_by_job(sweep, tmp_path, capsys):
    assert sweep("experiment=demo/sphere", "seed=0,1", "describe=true") == []
    table = capsys.readouterr().out
    for seed in (0, 1):
        assert OmegaConf.load(f"runs/demo/sphere,seed={seed}/config.yaml").seed == seed
        assert f"runs/demo/sphere,seed={seed}" in table


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([DEMO, "seed=0,1", "sede=3"], "unknown key 'sede': did you mean 'seed'?"),
        (["experiment=demo/digts", "seed=0,1"], "did you mean 'demo/digits'?"),
        ([DEMO, "seed=0,-1"], "seed must not be negative, got -1"),
        ([DEMO, "sampler=ddim,ddimm"], "no sampler 'ddimm': did you mean 'ddim'?"),
        ([DEMO, "seed=(0,1"], "Error parsing override 'seed=(0,1'"),
        ([DEMO, "seed=0,1", "--cfg"], "no option --cfg: there is --multirun, and key=value"),
        (["seed=0,1"], "name an experiment: experiment="),
    ],
)
def test_what_is_wrong_with_any_job_is_said_before_the_first(
    refused, monkeypatch, arguments, message
):
    def untimely():
        raise AssertionError("jobs were sent")

    monkeypatch.setattr(train, "sweep", untimely)
    assert message in refused(train.main, "--multirun", *arguments)


def test_a_mesh_is_fetched_before_a_space_is_made_of_it(refused, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LDM_DATA", raising=False)

    def offline(*_, **__):
        raise URLError("offline")

    monkeypatch.setattr("data.files.download.urllib.request.urlopen", offline)
    message = refused(train.main, "experiment=rdm/spot_50")
    assert "could not download spot.obj" in message
    assert "put the file at datasets/meshes/spot.obj yourself" in message


@pytest.mark.parametrize("main", [train.main, sample.main, eval.__main__.main])
def test_help_is_how_a_command_is_called(main, capsys):
    main(["--help"])
    assert "python " in capsys.readouterr().out
