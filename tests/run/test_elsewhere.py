"""A prior on a tokenizer of another run: everything works on its folder, which needs no other."""

import shutil

import pytest
from omegaconf import OmegaConf

import eval.__main__
import ldm.analysis.__main__
import sample
import train
from ldm.hub.weights import read_facts


@pytest.fixture
def first(trained, tmp_path):
    """A copy of the finished tokenizer's run, without its prior."""
    run = shutil.copytree(trained, tmp_path / "A")
    shutil.rmtree(run / "prior")
    return run


def asked(tiny, second, first, *more) -> list[str]:
    return [
        *tiny,
        "tokenizer.training.ema=0",
        f"run={second}",
        f"tokenizer.checkpoint={first}",
        "prior.training.samples=128",
        *more,
    ]


@pytest.mark.parametrize("which", ["stage=prior", "stages=[prior]"])
def test_all_commands_work_on_it_although_the_other_run_is_gone(first, tiny, tmp_path, which):
    arguments = asked(tiny, tmp_path / "B", first, which, "eval.scorers=[]")
    train.main(arguments)
    first.rename(tmp_path / "moved")
    run = f"run={tmp_path}/B"
    sample.main([run, "n=2", "sampler.steps=2"])
    eval.__main__.main([run, "eval=reconstructions"])
    ldm.analysis.__main__.main(["inversion", run, "n=2"])
    train.main([*arguments, "describe=true"])
    train.main([*arguments, "prior.training.samples=192"])
    assert read_facts(tmp_path / "B" / "prior" / "model.safetensors")["samples"] == 192
    kept = read_facts(tmp_path / "B" / "tokenizer" / "model.safetensors")
    assert kept["checkpoint"] == str(first)


def test_the_tokenizer_of_a_run_that_ended_is_not_exchanged(refused, first, tiny, tmp_path):
    arguments = asked(tiny, tmp_path / "B", first, "stage=prior", "eval.scorers=[]")
    train.main(arguments)
    other = shutil.copytree(first, tmp_path / "C")
    message = refused(
        train.main, *asked(tiny, tmp_path / "B", other, "stage=prior", "eval.scorers=[]")
    )
    assert "was begun with another configuration of tokenizer.checkpoint" in message


def test_weights_that_were_not_kept_and_are_gone_are_named(refused, first, tiny, tmp_path):
    train.main(asked(tiny, tmp_path / "B", first, "stage=prior", "eval.scorers=[]"))
    shutil.rmtree(tmp_path / "B" / "tokenizer")
    assert OmegaConf.load(tmp_path / "B" / "prior" / "config.yaml").tokenizer.checkpoint
    shutil.rmtree(first)
    for main in (sample.main, eval.__main__.main):
        message = refused(main, f"run={tmp_path}/B")
        assert f"no checkpoint at {first}" in message
