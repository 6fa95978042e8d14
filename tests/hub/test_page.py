"""Every command of docs/weights.md does what the page says, as it is printed."""

import re
import shlex
from argparse import Namespace
from dataclasses import replace

import numpy as np
import pages
import pytest
import torch
from authors import authors_names, autoencoder, randomized, transformer, unet, unet_authors_names
from diffusers import DDIMScheduler, DiTPipeline
from gsq_authors import random_state
from PIL import Image
from torch import nn

import ldm.hub.__main__
import sample
import train
from data.files.download import digest
from ldm.hub.edm import edm_to_published
from ldm.hub.published import PUBLISHED
from ldm.networks.images.dit import DiT
from ldm.networks.images.lightningdit import LightningDiT
from ldm.networks.molecules.egnn_autoencoder import EGNNDecoder, EGNNEncoder
from ldm.networks.molecules.egnn_denoiser import EGNNDenoiser
from ldm.processes.noise_schedules import polynomial_2
from ldm.run.loading import load_run

PAGE = pages.ROOT / "docs" / "weights.md"
SHORTER = {
    "400_000": "16",
    "100_000": "16",
    "batch_size=64": "batch_size=8",
    "steps=50": "steps=2",
    "(50)": "(2)",
}
SMALLER = {
    "data.size=64": "data.size=16",
    "tokenizer=kl_f8": "tokenizer=kl_f8 tokenizer.encoder.width=32",
    "dit_s_2": "dit_s_2 prior.backbone.depth=2",
    "sampler=ddim": "sampler=ddim sampler.steps=2",
    "steps=249": "steps=2",
    "--as lightningdit": "--as lightningdit prior.backbone.heads=2",
    "=edm/qm9": "=edm/qm9 prior.backbone.width=8 prior.backbone.depth=1",
    "=geoldm/qm9_k2": "=geoldm/qm9_k2 prior.backbone.width=8 prior.backbone.depth=1 "
    "tokenizer.encoder.width=8 tokenizer.decoder.depth=1",
}
GAMMA = torch.log(1 / (1 - polynomial_2()).cumprod(0) - 1)


def save_molecules(folder) -> None:
    """Write EDM and GeoLDM as their authors do."""
    atoms, points = [29, 9], [29, 5]
    tokenizer = nn.ModuleDict(
        {
            "encoder": EGNNEncoder(atoms, points, width=8),
            "decoder": EGNNDecoder(atoms, points, width=8, depth=1),
        }
    )
    backbones = {"edm_qm9": EGNNDenoiser(atoms, 8, 1), "geoldm_qm9": EGNNDenoiser(points, 8, 1)}
    for name, backbone in backbones.items():
        stages = {"prior": backbone.state_dict()}
        if name == "geoldm_qm9":
            stages["tokenizer"] = tokenizer.state_dict()
        (folder / name).mkdir()
        state = edm_to_published(stages, GAMMA)
        torch.save(state, folder / name / "generative_model_ema.npy")


def save_vavae() -> None:
    """Write a small VA-VAE, its scale and a LightningDiT as their authors do."""
    vavae = authors_names(randomized(autoencoder([32] * 5, latent=32)))
    vavae["linear_proj.weight"] = torch.zeros(1024, 32, 1, 1)
    torch.save({"state_dict": vavae}, "vavae.pt")
    shape = 1, 32, 1, 1
    torch.save({"mean": torch.full(shape, 0.5), "std": torch.full(shape, 2.0)}, "latents_stats.pt")
    network = LightningDiT([32, 16, 16], 1, width=32, depth=1, heads=2)
    tables = {"feat_rope.freqs_cos": torch.zeros(256, 16)}
    torch.save({"ema": network.state_dict() | tables}, "lightningdit.pt")


def command(printed: str) -> None:
    """Run a command of the page, whose lengths and sizes alone are made smaller."""
    for long, short in (SHORTER | SMALLER).items():
        printed = printed.replace(long, short)
    _, *words = [word for word in shlex.split(printed) if word != "-m"]
    mains = {"train.py": train, "sample.py": sample, "ldm.hub": ldm.hub.__main__}
    mains[words[0]].main(words[1:])


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A working folder with the files that the page names, of random weights."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LDM_CACHE", str(tmp_path / "cache"))
    for name in ("a/1", "a/2", "a/3", "a/4", "b/1", "b/2", "b/3", "b/4"):
        path = tmp_path / "photos" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(len(name)).integers(0, 256, (20, 24, 3), np.uint8)
        Image.fromarray(pixels).save(path)
    published = autoencoder([32, 64, 128, 128], layers_per_block=2)
    published.save_pretrained(tmp_path / "server")
    (tmp_path / "cache").mkdir()
    cached = tmp_path / "cache" / "sd-vae-ft-mse.safetensors"
    (tmp_path / "server" / "diffusion_pytorch_model.safetensors").rename(cached)
    mse = replace(PUBLISHED["sd-vae-ft-mse"], sha256=digest(cached), std=1.0)
    monkeypatch.setitem(PUBLISHED, "sd-vae-ft-mse", mse)
    small = authors_names(randomized(autoencoder([32, 64])))
    torch.save({"state_dict": small, "epoch": 3}, "first_stage.ckpt")
    torch.save({"state_dict": small, "args": Namespace(epoch=3)}, "model.ckpt")
    torch.save(authors_names(randomized(autoencoder([32, 32, 64], codes=16))), "vqgan.ckpt")
    torch.save(DiT.sized("S/2").state_dict(), "DiT-S-2.pt")
    network = unet_authors_names(randomized(unet(context=16, heads=1)))
    network["cond_stage_model.embedding.weight"] = torch.randn(3, 16)
    torch.save({"state_dict": network}, "ldm.ckpt")
    save_vavae()
    sizes = {"multipliers": [1, 2, 2, 4], "latent": 8, "groups": 1, "codes": 16, "width": 32}
    torch.save({"model_state_dict": random_state(**sizes), "config": {}}, "checkpoint.pt")
    scheduler = DDIMScheduler(clip_sample=False)
    save_molecules(tmp_path)
    network = transformer(32, 1000, patch_size=8)
    vae = randomized(autoencoder([32, 32, 32, 32], scaling_factor=0.5))
    DiTPipeline(network, vae, scheduler).save_pretrained("pipeline")
    return tmp_path


def test_every_command_does_what_the_page_says(folder, capsys):
    printed = {}
    for each in pages.commands(PAGE):
        command(each)
        printed[each] = capsys.readouterr().out
    said = "".join(printed.values())
    assert "tokenizer=kl_f8 tokenizer.encoder.width=32 tokenizer.checkpoint=runs/vae" in said
    assert "latents: measured on" in said
    assert "prior starts from" in said
    assert load_run("runs/vqgan", []).tokenizer.bottleneck.vocabulary == 16
    assert load_run("runs/more", []).prior.backbone.classes == 2
    assert len(list((folder / "samples").glob("*.png"))) == 4
    code = re.findall(r"^```python\n(.*?^from diffusers.*?)^```$", PAGE.read_text(), re.M | re.S)
    assert len(code) == 2
    for block in code:
        for long, short in SHORTER.items():
            block = block.replace(long, short)
        exec(block, {})
