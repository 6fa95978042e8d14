"""Checkpoints named by the configuration: published weights, files and run folders."""

from dataclasses import replace

import pytest
import safetensors.torch
import torch
from diffusers import AutoencoderKL

import train
from data.files.download import digest
from ldm.config.compose import compose
from ldm.hub.checkpoints import load_into, resolve
from ldm.hub.diffusers import autoencoder_to_diffusers
from ldm.hub.published import PUBLISHED
from ldm.hub.start import start_from
from ldm.hub.weights import BadCheckpoint, fingerprint, read_state, save
from ldm.run.loading import load_run
from ldm.run.models import build_models
from ldm.run.parts import build_data
from ldm.tokenizers import Tokenizer

NAME = "sd-vae-ft-mse"
SMALL = [
    "data=digits",
    "tokenizer=kl_f8",
    "prior=dit",
    "sampler=ddim",
    "tokenizer.encoder.width=32",
    "tokenizer.encoder.multipliers=[1,2]",
    "tokenizer.training.loss.perceptual=null",
    "prior.backbone.patch=1",
    f"tokenizer.checkpoint=hub:{NAME}",
    "run=unused",
]


def build(*overrides, stage="tokenizer", device="cpu"):
    config = compose([*overrides])
    return build_models(config, build_data(config), [stage], device)[stage].eval()


def load(checkpoint, *overrides) -> Tokenizer:
    tokenizer = build(*overrides)
    load_into(checkpoint, tokenizer, "tokenizer", repr(tokenizer.space))
    return tokenizer


@pytest.fixture(params=["new", "old"])
def official(request, tmp_path, monkeypatch):
    """A small `AutoencoderKL` of random weights, saved by diffusers in place of the published.

    The old names are those of the attention in files written before diffusers 0.15, as the
    published ones were.
    """
    torch.manual_seed(0)
    model = AutoencoderKL(
        in_channels=1,
        out_channels=1,
        block_out_channels=[32, 64],
        down_block_types=["DownEncoderBlock2D"] * 2,
        up_block_types=["UpDecoderBlock2D"] * 2,
        layers_per_block=2,
        latent_channels=4,
    ).eval()
    model.save_pretrained(tmp_path / "server")
    path = tmp_path / "server" / "diffusion_pytorch_model.safetensors"
    if request.param == "old":
        old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
        state = read_state(path)
        for new, name in old.items():
            state = {key.replace(f".{new}.", f".{name}."): x for key, x in state.items()}
        assert not any("to_q" in key for key in state)
        safetensors.torch.save_file(state, path)
    monkeypatch.setenv("LDM_CACHE", str(tmp_path / "cache"))
    served = replace(PUBLISHED[NAME], url=path.as_uri(), sha256=digest(path))
    monkeypatch.setitem(PUBLISHED, NAME, served)
    return model


@torch.no_grad()
def test_a_published_tokenizer_is_the_authors_own_with_its_scale(official):
    tokenizer = load(f"hub:{NAME}", *SMALL)
    x = torch.randn(3, 1, 8, 8)
    encoded = tokenizer.encode({"x": x})
    posterior = official.encode(x).latent_dist
    torch.testing.assert_close(encoded.raw, posterior.parameters, atol=1e-5, rtol=0)
    mode = tokenizer.bottleneck.mode(encoded.raw)
    theirs = official.decode(posterior.mean).sample
    torch.testing.assert_close(tokenizer.decode(mode)["x"], theirs, atol=1e-5, rtol=0)
    generator = torch.Generator().manual_seed(0)
    scaled = tokenizer.normalize(encoded.raw, generator)
    drawn = tokenizer.bottleneck.latent(encoded.raw, torch.Generator().manual_seed(0))
    torch.testing.assert_close(scaled, drawn * 0.18215)


def test_converted_there_and_back_no_bit_changes(official):
    tokenizer = load(f"hub:{NAME}", *SMALL)
    state = {k: x for k, x in tokenizer.state_dict().items() if k not in ("mean", "std")}
    back = autoencoder_to_diffusers(state)
    theirs = official.state_dict()
    assert set(back) == set(theirs)
    assert all(torch.equal(back[key], x) for key, x in theirs.items())


@pytest.mark.parametrize("official", ["old"], indirect=True)
def test_a_prior_trains_on_published_latents_from_the_command_line(
    official, tiny, tmp_path, monkeypatch
):
    # Random weights make latents of standard deviation 1.1, where the published make 5.5.
    monkeypatch.setitem(PUBLISHED, NAME, replace(PUBLISHED[NAME], std=1.1))
    asked = [override for override in tiny if not override.startswith(("experiment", "tokenizer"))]
    train.main([*SMALL[:-1], *asked, "stages=[prior]"])
    run = tmp_path / "runs" / "digits"
    assert (run / "prior" / "model.safetensors").is_file()
    assert (run / "tokenizer" / "model.safetensors").is_file()  # the run is whole by itself
    assert (tmp_path / "cache" / "sd-vae-ft-mse.safetensors").is_file()
    parts = load_run(run, [])
    assert parts.tokenizer.std.allclose(torch.tensor(1.1))
    assert not any(p.requires_grad for p in parts.tokenizer.parameters())
    assert parts.prior is not None


@pytest.mark.parametrize("name", [n for n, p in PUBLISHED.items() if p.config is not None])
def test_the_named_configuration_builds_what_the_file_holds(name):
    published = PUBLISHED[name]
    groups = {"data": "imagenet256", "tokenizer": "kl_f8", "prior": "dit", "sampler": "ddim"}
    groups |= dict([published.config.split("=")])
    overrides = [*(f"{key}={value}" for key, value in groups.items()), "run=x"]
    stage = published.config.split("=")[0]
    model = build(*overrides, stage=stage, device="meta").get_submodule(published.module)
    if stage == "prior":
        # Parameters of the published file, its fixed places among them.
        assert sum(x.numel() for x in model.state_dict().values()) == 675_129_632
        assert model.state_dict()["pos_embed"].shape == (1, 256, 1152)
    else:
        with torch.device("meta"):
            theirs = AutoencoderKL(
                block_out_channels=[128, 256, 512, 512],
                down_block_types=["DownEncoderBlock2D"] * 4,
                up_block_types=["UpDecoderBlock2D"] * 4,
                layers_per_block=2,
                latent_channels=4,
            ).state_dict()
        ours = {key: x.shape for key, x in model.state_dict().items()}
        got = {key: x.shape for key, x in published.convert(theirs).items()}
        assert got | {"mean": (4,), "std": (4,)} == ours


@pytest.mark.parametrize("layout", ["plain", "of a training"])
def test_the_authors_dit_goes_into_the_backbone_of_a_prior(tmp_path, monkeypatch, layout):
    small = ["experiment=demo/digits", "prior.backbone.depth=2", "prior.backbone.width=32"]
    prior = build(*small, "prior.backbone.heads=2", stage="prior")
    torch.manual_seed(3)
    theirs = {key: torch.randn_like(x) for key, x in prior.backbone.state_dict().items()}
    path = tmp_path / "DiT-XL-2-256x256.pt"
    last = {key: torch.zeros_like(x) for key, x in theirs.items()}
    training = {"model": last, "ema": theirs, "steps": 3}
    torch.save(theirs if layout == "plain" else training, path)
    monkeypatch.setenv("LDM_CACHE", str(tmp_path))
    entry = replace(PUBLISHED["DiT-XL-2-256"], sha256=digest(path))
    monkeypatch.setitem(PUBLISHED, "DiT-XL-2-256", entry)
    other = build(*small, "prior.backbone.heads=2", "seed=1", stage="prior")
    load_into("hub:DiT-XL-2-256", prior, "prior", repr(prior.space))
    start_from("hub:DiT-XL-2-256", other, "prior")
    for state in (prior.backbone.state_dict(), other.backbone.state_dict()):
        assert all(torch.equal(state[key], x) for key, x in theirs.items())


def test_a_run_folder_stands_for_the_stage_of_the_same_name(trained):
    file = trained / "tokenizer" / "model.safetensors"
    assert resolve(trained, "tokenizer") == resolve(str(file), "tokenizer") == (None, file)
    assert resolve(trained, "prior") == (None, trained / "prior" / "model.safetensors")
    small = ["experiment=demo/digits", "tokenizer.encoder.blocks=1"]
    assert fingerprint(load(trained, *small)) == fingerprint(load(file, *small))


@pytest.mark.parametrize("name", ["", "missing"])
def test_a_folder_or_file_without_weights_is_refused_with_what_to_give(tmp_path, name):
    with pytest.raises(BadCheckpoint, match=r"no checkpoint at .*a run folder, or hub:<name>"):
        load_into(tmp_path / name, torch.nn.Linear(1, 1), "tokenizer", "Flat(1)")


def test_an_unknown_name_is_refused_with_the_nearest_right_one():
    with pytest.raises(BadCheckpoint, match=r"'sd-vae-mse': did you mean hub:sd-vae-ft-mse\?"):
        resolve("hub:sd-vae-mse", "tokenizer")


def test_weights_of_a_network_that_no_configuration_builds_are_no_checkpoint():
    with pytest.raises(BadCheckpoint, match="no published weights 'inception'"):
        resolve("hub:inception", "tokenizer")


def test_a_tokenizer_is_used_at_another_image_size_than_it_was_trained_at(tmp_path):
    model = build(*SMALL[:-2], "run=unused")
    save(tmp_path / "model.safetensors", model, {"space": "Flat(4, 32, 32)"})
    other = build(*SMALL[:-2], "run=unused", "seed=1")
    load_into(tmp_path / "model.safetensors", other, "tokenizer", "Flat(4, 4, 4)")
    assert fingerprint(other) == fingerprint(model)


def test_a_file_of_another_latent_space_is_refused(trained):
    small = ["experiment=demo/digits", "tokenizer.encoder.blocks=1"]
    with pytest.raises(BadCheckpoint, match=r"the latent space Flat\(4, 4, 4\), .* wants Flat\(8,"):
        load_into(trained, build(*small), "tokenizer", "Flat(8, 4, 4)")
