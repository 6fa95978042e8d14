"""Videos: the commands of docs/videos.md, with small networks on moving digits."""

import shlex

import numpy as np
import pages
import pytest

import sample
import train
from ldm.config.compose import compose

PAGE = pages.ROOT / "docs" / "videos.md"
LVDM = [words[1:] for words in map(shlex.split, pages.commands(PAGE)) if "lvdm" in " ".join(words)]
NETWORK = "={width: 32, multipliers: [1], blocks: 1, attention: [1], heads: 1}"
SMALL = f"""
    data=moving_digits data.digits=1 data.size=8 data.frames=64 data.clips=2 data.test_clips=2
    tokenizer=lvdm tokenizer.encoder.network.levels=2 tokenizer.training.batch_size=2
    tokenizer.training.samples=2 tokenizer.training.loss.perceptual=null
    tokenizer.training.adversarial=null prior=lvdm_long "prior.prediction{NETWORK}"
    "prior.interpolation{NETWORK}" prior.training.samples=2 prior.training.batch_size=2
    sampler=ddim sampler.steps=1 guidance.scale=1.1 eval=none trainer=cpu trainer.pictures=0
"""


@pytest.mark.parametrize("words", [words for words in LVDM if "describe=true" in words])
def test_experiments_that_are_described_compose(words):
    assert compose(words[1:]).describe


def test_a_run_on_64_frames_draws_longer_clips_as_the_page_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LDM_CACHE", str(tmp_path / "cache"))
    (words,) = [words for words in LVDM if words[0] == "sample.py"]
    (run,) = [word for word in words if word.startswith("run=")]
    train.main([run, *shlex.split(SMALL)])
    sample.main([word.replace("=1024", "=128") for word in words[1:]])  # which takes seconds
    clips = np.load("long/samples.npz")["arr_0"]
    assert clips.shape == (1, 128, 8, 8, 3)
    assert clips.std() > 0
