"""A latent diffusion is trained to draw the holes of images, and asked to by a user's image."""

import numpy as np
import torch
from PIL import Image

import sample
import train
from ldm.run.loading import load_run
from ldm.run.sampling import draw

GROUPS = ["tokenizer=gsq_f16", "prior=ldm", "prior/backbone=ldm_inpainting"]
TOKENIZER = ["encoder.width=32", "encoder.multipliers=[1,2]", "encoder.blocks=1"]
TOKENIZER += [f"bottleneck.{one}" for one in ("shape=[4]", "groups=2", "codes=256")]
NETWORK = ["width=32", "multipliers=[1]", "attention=[1]", "heads=2", "+blocks=1"]
HOLES = ["data=degraded", "data@data.source=digits"]
HOLES += ["data.degradation={_target_: data.images.masks.Masked}"]
TOLD = "+prior.conditioning.image={_target_: ldm.conditioning.EncodedImage}"


def words(trained, run) -> list[str]:
    """Train the smallest such prior on the tokenizer of the shared run."""
    sizes = [f"tokenizer.{one}" for one in TOKENIZER]
    sizes += [f"{'+' * one.startswith('+')}prior.backbone.{one.lstrip('+')}" for one in NETWORK]
    training = ["samples=64", "batch_size=32", "optimizer.lr=1e-2", "ema=0"]
    training = [f"prior.training.{one}" for one in training]
    rest = ["prior.conditioning.label=null", "stages=[prior]", "eval=none", "trainer.pictures=1"]
    rest += ["sampler=ddim", "sampler.steps=2", f"tokenizer.checkpoint={trained}", f"run={run}"]
    return [*GROUPS, *sizes, *training, *rest]


def drawn(run, path) -> torch.Tensor:
    return draw(load_run(run, []), [0, 1], 0, image=str(path)).latent


def test_holes_are_drawn_of_what_is_left(trained, tmp_path, refused):
    run = tmp_path / "run"
    short = words(trained, run)
    assert "set trainer.cache_latents=false" in refused(train.main, *short, *HOLES, TOLD)
    whole = [*short, "trainer.cache_latents=false"]
    assert "digits has no image to condition on" in refused(train.main, *whole, "data=digits", TOLD)
    train.main([*whole, *HOLES, TOLD])
    for name, grey in (("dark", 0), ("light", 255)):
        pixels = np.full((8, 8, 2), grey, np.uint8)
        pixels[..., 1] = 255 * (np.arange(8) > 3)
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    dark, light = drawn(run, tmp_path / "dark.png"), drawn(run, tmp_path / "light.png")
    assert torch.equal(dark, drawn(run, tmp_path / "dark.png"))
    assert not torch.allclose(dark, light)
    asked = [f"run={run}", "n=2", f"condition.image={tmp_path}/light.png"]
    sample.main([*asked, f"output={tmp_path}/out"])
    kept = np.asarray(Image.open(tmp_path / "out" / "00001.png"))[:, 4:]
    assert (kept == 255).all()  # what is opaque, exactly
    other = "data.degradation={_target_: data.images.degradation.Coarse, factor: 2}"
    assert "image means another thing" in refused(sample.main, *asked, other)
    Image.new("L", (8, 8)).save(tmp_path / "light.png")
    assert "has no transparency" in refused(sample.main, *asked, f"output={tmp_path}/no")
