"""A tokenizer of images on clips is itself on every frame, with its weights and its codes."""

import pytest
import torch
from torch.testing import assert_close

from ldm.bottlenecks import Gaussian, GroupedSphericalQuantizer
from ldm.config.compose import ConfigError, compose
from ldm.config.groups import members
from ldm.hub.checkpoints import load_into
from ldm.hub.weights import save
from ldm.losses import ReconstructionLoss
from ldm.losses.frames import every_frame
from ldm.networks.images import compvis, gsq
from ldm.networks.images.layers import check_grid
from ldm.networks.images.patchgan import PatchGAN
from ldm.networks.images.stylegan import StyleGANDiscriminator
from ldm.run.checks import check_tokenizer_losses
from ldm.run.models import build_models
from ldm.run.parts import Parts, build_data
from ldm.run.stages import build_training
from ldm.spaces import Categorical
from ldm.tokenizers import Framewise, FramewiseEncoded, Tokenizer

SMALL = {"width": 32, "multipliers": [1, 2], "blocks": 1}


def gaussian(kind: type[Tokenizer], grid: list[int]) -> Tokenizer:
    torch.manual_seed(0)
    encoder, decoder = compvis.Encoder(3, 8, **SMALL), compvis.Decoder(4, 3, **SMALL)
    return kind(encoder, Gaussian([4, *grid]), decoder).double().eval()


def quantised(kind: type[Tokenizer], grid: list[int], **options) -> Tokenizer:
    torch.manual_seed(0)
    encoder, decoder = gsq.Encoder(3, 4, **SMALL), gsq.Decoder(4, 3, **SMALL)
    bottleneck = GroupedSphericalQuantizer([4, *grid], groups=2, codes=16)
    return kind(encoder, bottleneck, decoder, **options).eval()


def clips(n: int = 2, frames: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(n, 3, frames, 8, 8, generator=generator)


@pytest.mark.parametrize("gradients", [True, False])
def test_every_frame_is_encoded_and_decoded_as_an_image(gradients):
    of_clips, of_images = gaussian(Framewise, [3, 4, 4]), gaussian(Tokenizer, [4, 4])
    x = clips().double()
    with torch.set_grad_enabled(gradients):
        raw = of_clips.encode({"x": x}).raw
        latent = of_clips.bottleneck.mode(raw)
        back = of_clips.decode(latent)["x"]
        for frame in range(3):
            assert_close(raw[:, :, frame], of_images.encode({"x": x[:, :, frame]}).raw)
            assert_close(back[:, :, frame], of_images.decode(latent[:, :, frame])["x"])
    assert back.shape == x.shape


def test_the_loss_of_a_clip_is_that_of_its_frames_as_images():
    of_clips, of_images = gaussian(Framewise, [3, 4, 4]), gaussian(Tokenizer, [4, 4])
    x = clips().double()
    (images,) = every_frame(x)

    def gradient(tokenizer: Tokenizer, data: torch.Tensor, **options) -> torch.Tensor:
        encoded = tokenizer.encode({"x": data})
        back = tokenizer.decode(tokenizer.bottleneck.mode(encoded.raw))["x"]
        compared = ReconstructionLoss("l1", reduction="sum", **options)(data, back)["pixel"]
        loss = compared + 10 * encoded.losses["kl"]
        return torch.autograd.grad(loss, tokenizer.encoder.conv_in.weight)[0]

    assert_close(gradient(of_clips, x, frames="every"), gradient(of_images, images))


def test_gradients_reach_the_encoder_through_all_frames():
    tokenizer, x = gaussian(Framewise, [3, 4, 4]), clips().double().requires_grad_()
    reconstruction, _ = tokenizer({"x": x}, torch.Generator().manual_seed(0))
    (gradient,) = torch.autograd.grad(reconstruction["x"].square().sum(), x)
    assert (gradient.abs().amax((0, 1, 3, 4)) > 0).all()


def test_codes_of_a_clip_are_those_of_its_frames():
    of_clips = quantised(Framewise, [3, 4, 4], latents="codes")
    of_images, x = quantised(Tokenizer, [4, 4]), clips()
    codes = of_clips.encode({"x": x}).codes
    assert of_clips.space == Categorical([3, 4, 4, 2], 16)
    for frame in range(3):
        assert torch.equal(codes[:, frame], of_images.encode({"x": x[:, :, frame]}).codes)
    assert of_clips.decode(codes)["x"].shape == x.shape


def test_weights_of_a_tokenizer_of_images_load_as_they_are(tmp_path):
    of_images = gaussian(Tokenizer, [4, 4])
    save(tmp_path / "model.safetensors", of_images, {"space": repr(of_images.space)})
    of_clips = gaussian(Framewise, [3, 4, 4])
    for parameter in of_clips.parameters():
        parameter.data.zero_()
    load_into(tmp_path / "model.safetensors", of_clips, "tokenizer", repr(of_clips.space))
    x = clips().double()
    assert_close(of_clips.encode({"x": x}).raw[:, :, 1], of_images.encode({"x": x[:, :, 1]}).raw)


def test_a_decoder_of_clips_may_follow_an_encoder_of_images():
    tokenizer = gaussian(FramewiseEncoded, [3, 4, 4])
    tokenizer.decoder = torch.nn.Conv3d(4, 3, 1).double()
    reconstruction, encoded = tokenizer({"x": clips().double()})
    assert encoded.latent.shape == (2, 4, 3, 4, 4)
    assert reconstruction["x"].shape == (2, 3, 3, 4, 4)


def test_images_are_refused():
    config = compose(
        ["data=digits", "tokenizer=kl_f8_frames", "stages=[tokenizer]", "run=unused", "eval=none"]
    )
    with pytest.raises(ConfigError, match=r"reads clips .* found \(1, 8, 8\): choose data of vid"):
        build_models(config, build_data(config), ["tokenizer"], "meta")


def check_losses(*overrides):
    """Check losses as `train.py` does, without weights."""
    groups = ["data=moving_digits", "stages=[tokenizer]", "run=unused", "eval=none"]
    config = compose([*groups, *overrides])
    data = build_data(config)
    parts = Parts(config, data, build_models(config, data, ["tokenizer"], "meta"))
    with torch.device("meta"):
        training = build_training(parts, "tokenizer")
    check_tokenizer_losses(parts, "tokenizer", training)


FRAMES = [name for name in members("tokenizer") if name.endswith("_frames")]


@pytest.mark.parametrize("name", FRAMES)
def test_configured_losses_and_discriminators_see_frames_of_clips(name):
    check_losses(f"tokenizer={name}")


@pytest.mark.parametrize(
    ("part", "reader"), [("loss", "LPIPS"), ("adversarial", "the discriminator")]
)
def test_a_loss_or_discriminator_of_images_is_refused_for_clips_before_training(part, reader):
    message = rf"training\.{part} does not fit .*{reader}.* set training\.{part}\.frames=every"
    with pytest.raises(ConfigError, match=message):
        check_losses("tokenizer=kl_f8_frames", f"tokenizer.training.{part}.frames=null")


def test_a_discriminator_on_frozen_features_is_refused_for_clips_before_training():
    part = "tokenizer.training.adversarial.discriminator"
    dino = ["tokenizer=kl_f8_frames", f"{part}={{_target_: ldm.losses.DINODiscriminator}}"]
    dino += [f"~{part}.width", f"~{part}.layers"]
    check_losses(*dino)
    message = r"training\.adversarial does not fit .*the discriminator reads images, .*frames=every"
    with pytest.raises(ConfigError, match=message):
        check_losses(*dino, "tokenizer.training.adversarial.frames=null")


def test_an_encoder_of_images_points_to_this_tokenizer_for_clips():
    with pytest.raises(ValueError, match=r"reads images, .*_target_=ldm\.tokenizers\.Framewise"):
        check_grid(clips(), 8)


def test_discriminators_of_images_say_what_to_do_with_clips():
    for discriminator in (PatchGAN(width=8, layers=1), StyleGANDiscriminator(width=8)):
        with pytest.raises(ValueError, match=r"reads images, .*adversarial\.frames=every"):
            discriminator(clips())
