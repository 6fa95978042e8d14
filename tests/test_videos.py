"""Videos: the commands of docs/videos.md, with small networks on moving digits."""

import json
import shlex

import numpy as np
import pages
import pytest

import sample
import train
from ldm.config.compose import compose

PAGE = pages.ROOT / "docs" / "videos.md"
COMMANDS = [words[1:] for words in map(shlex.split, pages.commands(PAGE))]
LVDM = [words for words in COMMANDS if "lvdm" in " ".join(words)]
WF_VAE = [words for words in COMMANDS if "wf_vae" in " ".join(words)]
NETWORK = "={width: 32, multipliers: [1], blocks: 1, attention: [1], heads: 1}"
SMALL = f"""
    data=moving_digits data.digits=1 data.size=8 data.frames=64 data.clips=2 data.test_clips=2
    tokenizer=lvdm tokenizer.encoder.network.levels=2 tokenizer.training.batch_size=2
    tokenizer.training.samples=2 tokenizer.training.loss.perceptual=null
    tokenizer.training.adversarial=null prior=lvdm_long "prior.prediction{NETWORK}"
    "prior.interpolation{NETWORK}" prior.training.samples=2 prior.training.batch_size=2
    sampler=ddim sampler.steps=1 guidance.scale=1.1 eval=none trainer=cpu trainer.pictures=0
"""


SMALL_WF_VAE = """
    data.size=16 data.clips=4 data.test_clips=2 tokenizer.encoder.width=4 tokenizer.encoder.flow=4
    tokenizer.training.samples=4 tokenizer.training.batch_size=2
    tokenizer.training.loss.perceptual=null tokenizer.training.adversarial.discriminator.width=4
    trainer=cpu trainer.pictures=0
"""


@pytest.mark.parametrize("words", [words for words in [*LVDM, *WF_VAE] if "describe=true" in words])
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


def test_wf_vae_is_trained_and_scored_in_chunks_as_the_page_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (words,) = [words for words in WF_VAE if words[0] == "train.py" and words[1].startswith("run=")]
    train.main([*words[1:], *shlex.split(SMALL_WF_VAE)])
    metrics = json.loads((tmp_path / "runs" / "wf_vae_digits" / "metrics.json").read_text())
    assert {"psnr", "ssim", "flicker"} <= {name.split("/")[-1] for name in metrics}
