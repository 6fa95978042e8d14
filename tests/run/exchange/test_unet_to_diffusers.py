"""Latent diffusions of others draw the same here, and ours by diffusers alone."""

import pytest
import safetensors.torch
import torch
from authors import authors_names, autoencoder, randomized, unet, unet_authors_names
from diffusers import (
    AutoencoderKL,
    DDIMScheduler,
    LDMPipeline,
    UNet2DConditionModel,
    UNet2DModel,
)

import sample
from ldm.config.compose import ConfigError
from ldm.hub.__main__ import main
from ldm.hub.weights import read_state
from ldm.networks.images.unet import UNet
from ldm.randomness import sample_generators
from ldm.run.exchange.unet_to_diffusers import to_unet
from ldm.run.loading import load_run
from ldm.run.sampling import draw

N, STEPS = 3, 4
BETAS = {"beta_start": 0.0015, "beta_end": 0.0155, "beta_schedule": "scaled_linear"}


def drawn(run, *overrides):
    """Labels, and pixels in [0, 1], that a run draws."""
    batch = draw(load_run(run, list(overrides)), range(N), 0).batch
    return batch.get("label"), (batch["x"] / 2 + 0.5).clamp(0, 1)


@torch.no_grad()
def drawn_by_hand(folder, labels, scale):
    """Pixels that the exported parts draw by a loop over the scheduler's steps."""
    net = UNet2DConditionModel.from_pretrained(folder / "unet")
    vae = AutoencoderKL.from_pretrained(folder / "vae")
    scheduler = DDIMScheduler.from_pretrained(folder / "scheduler")
    classes = torch.eye(net.config.encoder_hid_dim)
    context = torch.cat([classes[labels], classes[-1:].expand(N, -1)])[:, None]
    noise = [torch.randn(1, 4, 4, 4, generator=one) for one in sample_generators(0, range(N))]
    x = torch.cat(noise)
    scheduler.set_timesteps(STEPS)
    for t in scheduler.timesteps:
        told, untold = net(torch.cat([x, x]), t, encoder_hidden_states=context).sample.chunk(2)
        x = scheduler.step(untold + scale * (told - untold), t, x).prev_sample
    return (vae.decode(x / vae.config.scaling_factor).sample / 2 + 0.5).clamp(0, 1)


def saved(path, rows):
    """Write a latent diffusion as its authors do, with a table of classes of so many rows."""
    kl = authors_names(randomized(autoencoder(channels=1)))
    whole = {f"first_stage_model.{key}": x for key, x in kl.items()}
    whole |= unet_authors_names(randomized(unet(context=16, heads=4, sample_size=4)))
    whole["cond_stage_model.embedding.weight"] = torch.randn(rows, 16)
    safetensors.torch.save_file(whole, path)
    return whole


def test_a_table_without_a_null_class_is_imported_and_cannot_guide(tmp_path, refused):
    whole = saved(tmp_path / "model.safetensors", rows=10)
    source, run = str(tmp_path / "model.safetensors"), tmp_path / "run"
    main(["import", source, "--as", "compvis", f"output={run}", "data=digits", "scaling_factor=1"])
    main(["import", source, "--as", "ldm", f"output={run}", "prior.backbone.heads=4"])
    assert drawn(run, f"sampler.steps={STEPS}")[1].shape == (N, 1, 8, 8)
    main(["export", str(run), "--as", "ldm", f"output={tmp_path / 'out'}"])
    back = read_state(tmp_path / "out" / "model.safetensors")
    assert all(torch.equal(back[key], x) for key, x in whole.items() if key in back)
    assert len(back["cond_stage_model.embedding.weight"]) == 10
    message = refused(sample.main, f"run={run}", "guidance.scale=2", "output=none")
    assert "no conditions to guide by (it was never trained without its label)" in message
    message = refused(sample.main, f"run={run}", "prior.conditioning.label.rate=0.1", "output=none")
    assert "does not fit the configured model" in message


def test_a_latent_diffusion_of_its_authors_comes_back_bit_for_bit_and_goes_to_diffusers(tmp_path):
    whole = saved(tmp_path / "model.safetensors", rows=11)
    source, run = str(tmp_path / "model.safetensors"), tmp_path / "run"
    main(["import", source, "--as", "compvis", f"output={run}", "data=digits", "measure=true"])
    main(["import", source, "--as", "ldm", f"output={run}", "prior.backbone.heads=4"])
    main(["export", str(run), "--as", "ldm", f"output={tmp_path / 'out'}"])
    back = read_state(tmp_path / "out" / "model.safetensors")
    assert back.keys() == {key for key in whole if not key.startswith("first_stage")}
    assert all(torch.equal(back[key], x) for key, x in whole.items() if key in back)
    asked = [f"sampler.steps={STEPS}", "guidance.scale=2.5"]
    main(["export", str(run), "--as", "diffusers", f"output={tmp_path / 'parts'}", *asked])
    labels, ours = drawn(run, *asked)
    assert ours.std() > 0.05
    found = drawn_by_hand(tmp_path / "parts", labels, 2.5)
    torch.testing.assert_close(found, ours, atol=1e-4, rtol=0)


def test_a_pipeline_without_classes_draws_the_same_pixels_here_and_comes_back(tmp_path, capsys):
    net = randomized(unet(attention=(1,), sample_size=4))
    vae = randomized(autoencoder(channels=1, codes=16, scaling_factor=0.5))
    scheduler = DDIMScheduler(clip_sample=False, set_alpha_to_one=False, steps_offset=1, **BETAS)
    LDMPipeline(vae, net, scheduler).save_pretrained(tmp_path / "pipe")
    run, out = tmp_path / "run", tmp_path / "out"
    main(["import", str(tmp_path / "pipe"), "--as", "diffusers", f"output={run}", "data=digits"])
    assert load_run(run, []).config.prior.process.end == 0.0155
    main(["export", str(run), "--as", "diffusers", f"output={out}", f"sampler.steps={STEPS}"])
    assert f"num_inference_steps={STEPS}, eta=0" in capsys.readouterr().out
    ours = drawn(run, f"sampler.steps={STEPS}")[1]
    assert ours.std() > 0.05
    for folder in (tmp_path / "pipe", out):
        pipe = LDMPipeline.from_pretrained(folder)
        pipe.set_progress_bar_config(disable=True)
        noise = {"batch_size": N, "generator": sample_generators(0, range(N))}
        found = pipe(num_inference_steps=STEPS, output_type="np", **noise).images
        torch.testing.assert_close(torch.from_numpy(found).movedim(3, 1), ours, atol=1e-4, rtol=0)
    for part in ("vqvae", "unet"):
        file = f"{part}/diffusion_pytorch_model.safetensors"
        before, now = read_state(tmp_path / "pipe" / file), read_state(out / file)
        assert before.keys() == now.keys()
        assert all(torch.equal(now[key], x) for key, x in before.items())


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"heads": 2}, "heads of one width at all levels.*export it --as ldm"),
        ({"head_width": 8, "shape": [4, 4, 8]}, "square latents"),
        (
            {"head_width": 8, "text_shape": [3, 8], "resample_blocks": True},
            "resample by convolutions alone",
        ),
    ],
)
def test_networks_that_diffusers_has_no_class_for_are_refused(sizes, message):
    given = {"shape": [4, 8, 8], "width": 32, "multipliers": [1, 2], "blocks": 1, **sizes}
    with pytest.raises(ConfigError, match=message):
        to_unet(UNet(**given))


def test_resampling_blocks_and_added_classes_have_a_place_in_diffusers():
    sizes = {"width": 32, "multipliers": [1, 2], "blocks": 1, "attention": [2], "classes": 5}
    net = UNet([4, 8, 8], head_width=8, scale_shift=True, resample_blocks=True, **sizes)
    net, t = randomized(net), torch.tensor([0, 500, 999])
    theirs, label = to_unet(net), torch.tensor([0, 4, 5])
    assert isinstance(theirs, UNet2DModel)
    x = torch.randn(3, 4, 8, 8)
    with torch.no_grad():
        expected = theirs(x, t, class_labels=label).sample
        assert (net(x, t, label) - expected).abs().max() < 1e-5 * expected.abs().max()
