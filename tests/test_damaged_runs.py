"""Run folders and files that are damaged, foreign or unfinished, as the commands meet them."""

import errno
import os
import shutil

import pytest
import torch
from omegaconf import OmegaConf

import eval.__main__
import sample
import train
from ldm.cli import command
from ldm.run.loading import load_run


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
    assert f"{path} is " in message
    assert "copy it again, or delete it" in message
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

    def neither(path, write):
        raise full(path)

    monkeypatch.setattr("ldm.training.fit.write_whole", neither)  # a note of the time spent
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
        message = refused(main, f"run={run}")
        assert f"{path} is " in message
        assert "copy it again" in message

    def test_a_configuration_with_wrong_values_is_named(self, refused, trained, tmp_path, main):
        run = shutil.copytree(trained, tmp_path / "run")
        for path in run.glob("*/config.yaml"):
            config = OmegaConf.load(path)
            config.eval = {"_target_": "eva"}
            OmegaConf.save(config, path)
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


def test_a_copied_run_has_the_settings_of_its_last_stage(trained, tmp_path):
    run = shutil.copytree(trained, tmp_path / "run")
    early, last = (OmegaConf.load(run / s / "config.yaml") for s in ("tokenizer", "prior"))
    early.sampler.steps, last.sampler.steps = 5, 3
    for path, config in (("prior", last), ("tokenizer", early)):  # the order of their times
        OmegaConf.save(config, run / path / "config.yaml")
    os.utime(run / "prior" / "config.yaml", (0, 0))
    assert load_run(run, []).config.sampler.steps == 3


def test_a_run_whose_stages_were_trained_by_two_commands_is_that_of_the_second(trained, tmp_path):
    run = shutil.copytree(trained, tmp_path / "run")
    for stage, steps in (("prior", 3), ("tokenizer", 5)):
        config = OmegaConf.load(run / stage / "config.yaml")
        config.stages, config.sampler.steps = [stage], steps
        OmegaConf.save(config, run / stage / "config.yaml")
    assert load_run(run, [f"tokenizer.checkpoint={run}"]).config.sampler.steps == 3
