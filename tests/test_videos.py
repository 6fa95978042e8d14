"""Videos: the commands of docs/videos.md, with small networks on moving digits."""

import json
import shlex
from pathlib import Path

import av
import numpy as np
import pages
import pytest
import torch
from embedded import Letters
from torch import nn

import sample
import train
from data.images.clips import write_mp4
from data.videos.film import film_of
from eval.extractors import MotionClassifier
from eval.extractors.trained import Settings
from ldm.conditioning import TextEncoder
from ldm.config.compose import compose
from ldm.hub import weights
from ldm.networks.images.unet import UNet
from ldm.run.loading import load_run

PAGE = pages.ROOT / "docs" / "videos.md"
COMMANDS = [words[1:] for words in map(shlex.split, pages.commands(PAGE))]
LVDM = [words for words in COMMANDS if "lvdm" in " ".join(words)]
WF_VAE = [words for words in COMMANDS if "wf_vae" in " ".join(words)]
MAGIC = [words for words in COMMANDS if "magicvideo" in " ".join(words)]
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


@pytest.mark.parametrize(
    "words", [words for words in [*LVDM, *WF_VAE, *MAGIC] if "describe=true" in words]
)
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


UNET = {"width": 32, "multipliers": [1], "attention": [1], "heads": 2}
OF_UNET = "={width: 32, multipliers: [1], attention: [1], heads: 2}"
SMALL_MAGIC = f"""
    data.size=8 data.workers=0 data.test_fraction=0.3 "stages=[tokenizer, prior]"
    tokenizer.checkpoint=null tokenizer.encoder.width=32 tokenizer.encoder.multipliers=[1,2]
    tokenizer.training.samples=2 tokenizer.training.batch_size=2
    tokenizer.training.loss.perceptual=null tokenizer.training.adversarial=null
    "prior.prediction{OF_UNET}" "prior.interpolation{OF_UNET}" prior/conditioning=minilm
    prior.conditioning.text.pooled=false prior.training.samples=2 prior.training.batch_size=2
    prior.training.ema=0 prior.training.optimizer.lr=1e-12 sampler.steps=1 trainer=cpu
    trainer.pictures=0
"""


def test_a_prior_of_images_is_lifted_to_clips_and_drawn_from_as_the_page_says(
    tmp_path, monkeypatch
):
    """Both networks equal the one that they start from, on each frame of a still clip."""
    monkeypatch.chdir(tmp_path)
    for name in ("__call__", "check", "identity"):
        monkeypatch.setattr(TextEncoder, name, getattr(Letters, name))
    _, lift, draw = MAGIC
    options = dict(word.split("=", 1) for word in lift[2:])
    image = nn.ModuleDict({"backbone": UNet([4, 8, 8], **UNET, text_shape=[16, 384])})
    for parameter in image.parameters():
        nn.init.normal_(parameter, std=0.1)  # a new network's output is zero
    path = Path(options["prior.checkpoint"], "prior", "model.safetensors")
    weights.save(path, image, {"space": "Flat(4, 8, 8)"})
    Path(options["data.root"]).mkdir()
    for number in range(3):
        pixels = torch.randint(256, (3, 1, 1, 1)).expand(-1, 61 + number, 16, 16).byte()
        clip = Path(options["data.root"], f"{number}.mp4")
        write_mp4(clip, pixels.transpose(0, 1), 25)
        clip.with_suffix(".txt").write_text(f"clip {number}")
    train.main([*lift[1:], *shlex.split(SMALL_MAGIC)])
    prior = load_run(lift[1].replace("experiment=", "runs/"), []).prior
    x, t = torch.randn(2, 4, 8, 8), torch.tensor([10, 900])
    told = {"text": torch.randn(2, 16, 384), "text_mask": torch.ones(2, 16, dtype=torch.bool)}
    with torch.no_grad():
        expected = image["backbone"](x, t, **told)[:, :, None]
        assert expected.abs().max() > 0.01
        for part, frames in ((prior.keys, 16), (prior.between, 5)):
            still = x[:, :, None].expand(-1, -1, frames, -1, -1)
            found = part.denoise(still, t, {**told, "fps": torch.tensor([8.0, 25.0])}).eps
            torch.testing.assert_close(found, expected.expand_as(found), rtol=0, atol=1e-4)
    sample.main(draw[1:])
    assert np.load("dog/samples.npz")["arr_0"].shape == (1, 61, 8, 8, 3)
    assert film_of(Path("dog/00000.mp4"), 3).rate == pytest.approx(8)


def test_wf_vae_is_trained_and_scored_in_chunks_as_the_page_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (words,) = [words for words in WF_VAE if words[0] == "train.py" and words[1].startswith("run=")]
    train.main([*words[1:], *shlex.split(SMALL_WF_VAE)])
    metrics = json.loads((tmp_path / "runs" / "wf_vae_digits" / "metrics.json").read_text())
    assert {"psnr", "ssim", "flicker"} <= {name.split("/")[-1] for name in metrics}


SMALL_DEMO = """
    data.clips=100 data.test_clips=20 tokenizer.training.samples=16 tokenizer.training.schedule=null
    prior.training.samples=64 prior.training.batch_size=32 prior.training.schedule=null
    prior.backbone.width=32 prior.backbone.depth=1 prior.backbone.heads=1
    sampler.steps=2 eval.samples=20 trainer.pictures=0
"""


def test_the_demo_ends_with_a_film_of_its_samples_and_how_they_move(tmp_path, monkeypatch):
    (words,) = [words for words in COMMANDS if "experiment=demo/moving_digits" in words]
    few = Settings(feature_size=8, width=2, samples=128)
    monkeypatch.setattr(MotionClassifier, "default", few)
    monkeypatch.setenv("LDM_CACHE", str(tmp_path / "cache"))
    run = tmp_path / "run"
    train.main([*words[1:], f"run={run}", *shlex.split(SMALL_DEMO)])
    scores = json.loads((run / "metrics.json").read_text())
    assert scores.keys() >= {"psnr", "speed_w1", "speed_w1_floor", "label_accuracy"}
    with av.open(str(run / "samples.mp4")) as film:
        frames = [frame.to_ndarray(format="gray") for frame in film.decode(video=0)]
    assert len(frames) == 8
    assert np.stack(frames).std(0).max() > 0
