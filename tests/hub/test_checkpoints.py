"""What `tokenizer.checkpoint=` takes: published weights, files and run folders."""

import shutil
from dataclasses import replace

import pytest
import safetensors.torch
import torch
from diffusers import AutoencoderKL

import train
from data.files.download import digest
from ldm.config.compose import compose
from ldm.hub import load_into, resolve
from ldm.hub.diffusers import autoencoder_kl_to_diffusers
from ldm.hub.published import PUBLISHED
from ldm.hub.weights import BadCheckpoint, fingerprint, read_state
from ldm.run.parts import build_prior, build_tokenizer, load_tokenizer

NAME = "sd-vae-ft-mse"
SMALL = [
    "data=digits",
    "tokenizer=kl_f8",
    "prior=dit",
    "sampler=ddim",
    "tokenizer.encoder.in_channels=1",
    "tokenizer.encoder.width=32",
    "tokenizer.encoder.multipliers=[1,2]",
    "tokenizer.bottleneck.shape=[4,4,4]",
    "tokenizer.training.loss.perceptual=null",
    "prior.backbone.patch=1",
    "prior.backbone.classes=10",
    f"tokenizer.checkpoint=hub:{NAME}",
    "run=unused",
]


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
    tokenizer = load_tokenizer(compose(SMALL), f"hub:{NAME}")
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
    assert not tokenizer.training
    assert not any(p.requires_grad for p in tokenizer.parameters())


def test_converted_there_and_back_no_bit_changes(official):
    tokenizer = load_tokenizer(compose(SMALL), f"hub:{NAME}")
    state = {k: x for k, x in tokenizer.state_dict().items() if k not in ("mean", "std")}
    back = autoencoder_kl_to_diffusers(state)
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
    assert not (run / "tokenizer" / "model.safetensors").exists()
    assert (tmp_path / "cache" / "sd-vae-ft-mse.safetensors").is_file()


@pytest.mark.parametrize("name", [n for n, p in PUBLISHED.items() if p.config is not None])
def test_the_named_configuration_builds_what_the_file_holds(name):
    published = PUBLISHED[name]
    groups = {"data": "imagenet256", "tokenizer": "kl_f8", "prior": "dit", "sampler": "ddim"}
    groups |= dict([published.config.split("=")])
    config = compose([*(f"{key}={value}" for key, value in groups.items()), "run=x"])
    model = build_tokenizer(config, "meta")
    if "prior" in published.config:
        model = build_prior(config, model, "meta").get_submodule(published.module)
        # The authors' names, by the paper's sheet: all but the label table are in every block.
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


def test_a_run_folder_stands_for_its_tokenizer(trained):
    file = trained / "tokenizer" / "model.safetensors"
    assert resolve(trained) == resolve(file) == (None, file)
    assert resolve(trained, "prior") == (None, trained / "prior" / "model.safetensors")
    config = compose(["experiment=demo/digits", "tokenizer.encoder.blocks=1"])
    one, other = (load_tokenizer(config, path) for path in (trained, str(file)))
    assert fingerprint(one) == fingerprint(other)


def test_a_folder_or_file_without_weights_is_refused_with_what_to_give(tmp_path):
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(BadCheckpoint, match=r"no checkpoint at .*a run folder, or hub:<name>"):
            load_into(path, torch.nn.Linear(1, 1))


def test_an_unknown_name_is_refused_with_the_nearest_right_one():
    with pytest.raises(BadCheckpoint, match=r"'sd-vae-mse': did you mean hub:sd-vae-ft-mse\?"):
        resolve("hub:sd-vae-mse")
    # Extractors have no configuration, so no stage can be built for them.
    with pytest.raises(BadCheckpoint, match="no published weights 'inception'"):
        resolve("hub:inception")


def test_a_tokenizer_of_another_space_is_refused(trained, tmp_path):
    copy = shutil.copytree(trained, tmp_path / "run")
    config = compose(
        [
            "experiment=demo/digits",
            "tokenizer.encoder.blocks=1",
            "tokenizer.encoder.out_channels=8",
            "tokenizer.bottleneck.shape=[8,4,4]",
        ]
    )
    with pytest.raises(BadCheckpoint, match=r"is a tokenizer of the latent space Flat\(4, 4, 4\)"):
        load_tokenizer(config, copy)
