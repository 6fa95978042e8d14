"""Mistakes of a user that each command answers with one message and exit code 2, in time."""

import shutil
from urllib.error import URLError

import numpy as np
import pytest
from PIL import Image

import eval.__main__
import ldm.analysis.__main__
import sample
import train
from data import DataError

DEMO = "experiment=demo/digits"
POINTS = [
    "stages=[prior]",
    "data=vmf",
    "tokenizer=points/sphere",
    "prior=rfm",
    "sampler=flow_euler",
]


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
        (["data=digits"], "no tokenizer is named: tokenizer=bsq_f8 |"),
        ([DEMO, "tokenizer.bottlneck.groups=4"], "did you mean 'tokenizer.bottleneck.groups'?"),
        (["experiment=demo/digts"], "did you mean 'demo/digits'?"),
        ([DEMO, "sampler=ddimm"], "did you mean 'ddim'?"),
        ([DEMO, "tokenizer.training.samples=abc"], "samples must be a whole number, got 'abc'"),
        ([DEMO, "tokenizer._target_=os.system"], "tokenizer._target_=os.system is refused"),
        (
            [DEMO, "seed=12345678901234567890123"],
            "seed must be at least 0 and below 2^63, got 123",
        ),
        ([DEMO, f"eval.seed={2**63}"], "eval.seed must be at least 0 and below 2^63"),
        ([DEMO, f"data.seed={2**63}"], "data.seed must be at least 0 and below 2^63"),
        ([DEMO, "trainer.devices=-1"], "trainer.accelerator=auto devices=-1 strategy=auto cannot"),
        ([DEMO, "trainer.devices=0"], "devices must be a number of them, -1 or auto for all"),
        ([DEMO, "trainer.accelerator=quantum"], "trainer.accelerator must be one of auto, cpu"),
        ([DEMO, "trainer.strategy=fsdp"], "trainer.strategy must be one of auto, ddp, got 'fsdp'"),
        ([DEMO, "trainer.precision=bf16-true"], "trainer.precision must be one of auto, 32-true"),
        ([DEMO, "trainer.precision=64-true"], "trainer.precision must be one of auto, 32-true"),
        ([DEMO, "trainer.nodes=0"], "trainer: nodes must be 1 or more, got 0"),
        ([DEMO, "trainer.accumulate=0"], "trainer: accumulate must be 1 or more, got 0"),
        (
            [DEMO, "trainer.accumulate=1000"],
            "accumulate=1,000 cuts the 64 samples that each device",
        ),
        ([DEMO, "prior.training.optimizer.lr=inf"], "optimizer: lr must be finite, got inf"),
        ([DEMO, "trainer.callbacks=[{_target_:torch.nn.ReLU}]"], "callbacks"),
        ([DEMO, "trainer.records=-1"], "trainer: records must be 0 or more, got -1"),
        ([DEMO, "tokenizer.training.batch_size=1_000_000_000"], "batch_size=1,000,000,000 is"),
        ([DEMO, "trainer=ddp_cpu", "prior.training.batch_size=63"], "multiple of 2"),
        ([DEMO, "prior.backbone.heads=0"], "prior.backbone.heads must be 1 or more, got 0"),
        ([DEMO, "prior.conditioning.label.rate=0", "guidance.scale=2"], "no conditions to guide"),
        ([DEMO, "stage=pryor"], "no stage pryor: choose from tokenizer, prior"),
        ([DEMO, "sampler=flow_euler"], "the sampler does not fit the prior"),
        ([DEMO, "prior.process.schedule=cosin"], "prior.process: no schedule 'cosin'"),
        ([DEMO, "tokenizer.bottleneck.shape=[4,8,8]"], "the tokenizer does not fit data of shape"),
        ([DEMO, "stage=prior", "tokenizer.checkpoint=none.safetensors"], "no checkpoint at none"),
        ([DEMO, *folder("/no/such/folder")], "/no/such/folder"),
        ([DEMO, "+tokenizer.encoder.in_channels=3"], "expects another number of channels"),
        ([DEMO, "seed=12345678901234567890123"], "seed must be at least 0 and below 2^63"),
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


@pytest.mark.parametrize("option", ["accumulate=0", "devices=0", "nodes=0", "strategy=fsdp"])
def test_a_description_refuses_what_no_machine_could_train_by(refused, tmp_path, option):
    arguments = [DEMO, f"trainer.{option}", f"run={tmp_path}/run"]
    message = refused(train.main, *arguments)
    assert refused(train.main, *arguments, "describe=true") == message


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


def test_a_cache_that_cannot_be_written_to_is_said_before_training(
    refused, tiny, tmp_path, monkeypatch
):
    (tmp_path / "file").touch()  # no folder can be made below a file, not even by root
    monkeypatch.setenv("LDM_CACHE", str(tmp_path / "file" / "cache"))
    assert "choose another folder with LDM_CACHE" in refused(train.main, *tiny)
    assert not list(tmp_path.glob("runs/*/*/checkpoints"))


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
        (f"seed={2**63}", "seed must be at least 0 and below 2^63, got 9223372036854775808"),
        ("seed=-1", "seed must be at least 0 and below 2^63, got -1"),
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


def test_a_mesh_is_fetched_before_a_space_is_made_of_it(refused, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LDM_DATA", raising=False)

    def offline(*_, **__):
        raise URLError("offline")

    monkeypatch.setattr("data.files.download.urllib.request.urlopen", offline)
    message = refused(train.main, "experiment=rdm/spot_50")
    assert "could not download spot.obj" in message
    assert "put the file at datasets/meshes/spot.obj yourself" in message


class TestPlacesThatCannotBeWritten:
    """Each has a file where a folder would be made, which stops everybody, root included."""

    @pytest.mark.parametrize("place", ["runs/digits", "runs/digits/prior", "runs/.latents"])
    def test_one_of_a_run_is_found_before_training(self, refused, tiny, tmp_path, place):
        (tmp_path / place).parent.mkdir(parents=True)
        (tmp_path / place).write_text("a file")
        assert f"cannot write to {tmp_path / place}" in refused(train.main, *tiny)

    def test_no_cache_of_latents_is_needed_where_none_is_written(self, refused, tiny, tmp_path):
        (tmp_path / "runs").mkdir()
        (tmp_path / "runs" / ".latents").write_text("a file")
        # On to what is wrong further on.
        uncached = ["trainer.cache_latents=false", "sampler=flow_euler"]
        assert "the sampler does not fit" in refused(train.main, *tiny, *uncached)

    def test_the_output_of_an_analysis_is_tried_before_it_is_made(self, refused, trained, tmp_path):
        (tmp_path / "file").write_text("a file")
        output = [f"run={trained}", f"output={tmp_path}/file"]
        message = refused(ldm.analysis.__main__.main, "inversion", *output)
        assert f"cannot write to {tmp_path}/file" in message

    def test_scores_need_a_run_folder_that_can_be_written(
        self, refused, trained, tmp_path, monkeypatch
    ):
        def readonly(path):
            raise DataError(f"cannot write to {path.parent}")

        monkeypatch.setattr("eval.sweep.check_writable", readonly)
        assert f"cannot write to {trained}" in refused(eval.__main__.main, f"run={trained}")
