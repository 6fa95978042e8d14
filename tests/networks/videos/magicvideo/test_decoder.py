"""MagicVideo's decoder of clips beside the decoder of images."""

import torch
from torch import nn
from torch.testing import assert_close

from ldm.networks.images import compvis
from ldm.networks.videos.magicvideo.decoder import Decoder

SMALL = {"width": 32, "multipliers": [1, 2, 1], "blocks": 1}


def pair() -> tuple[Decoder, compvis.Decoder]:
    torch.manual_seed(0)
    image, clip = compvis.Decoder(4, 3, **SMALL).double(), Decoder(4, 3, **SMALL).double()
    found = clip.load_state_dict(image.state_dict(), strict=False)
    assert not found.unexpected_keys
    assert all(key.startswith("time.") for key in found.missing_keys)
    return clip, image


def test_a_clip_is_at_first_decoded_frame_by_frame():
    clip, image = pair()
    z = torch.randn(2, 4, 3, 4, 4, dtype=torch.float64)
    assert_close(clip(z), torch.stack([image(one) for one in z.unbind(2)], 2))


def test_a_trained_decoder_sees_frames_before_and_no_later_ones():
    clip, _ = pair()
    for layer in clip.time:
        nn.init.normal_(layer.proj.weight)
    z = torch.randn(1, 4, 3, 4, 4, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(clip(z)[:, :, 1].sum(), z)
    reached = gradient.abs().amax((0, 1, 3, 4))
    assert (reached[:2] > 0).all()
    assert not reached[2]


def test_the_autoencoder_of_stable_diffusion_takes_so_many_more_parameters():
    with torch.device("meta"):
        clip, image = Decoder(), compvis.Decoder()
    before, after = (sum(p.numel() for p in net.parameters()) for net in (image, clip))
    assert after - before == sum(4 * c * c + 3 * c for c in (512, 512, 512, 256))
