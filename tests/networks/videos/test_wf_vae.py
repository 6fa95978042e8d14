"""WF-VAE: published sizes, the flow of low frequencies, causality, and chunks."""

import itertools

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from ldm.networks.videos import causal_vae, wf_vae
from ldm.networks.videos.causal import Stream, in_chunks

HAAR_KERNELS = 2 * 8 * 8  # of two 3D transforms, frozen tensors of the authors' encoder
LENGTHS = (1, 5, 17, 25, 29, 33, 49, 65)
FAMILIES = [(wf_vae, {"flow": 4}), (causal_vae, {"blocks": 1})]
families = pytest.mark.parametrize(("family", "options"), FAMILIES)


def small(family, options, **changes) -> tuple[nn.Module, nn.Module]:
    """A narrow encoder and decoder in double precision, with random biases and scales."""
    torch.manual_seed(0)
    options = {"width": 4, **options, **changes}
    encoder, decoder = family.Encoder(1, 8, **options), family.Decoder(4, 1, **options)
    for network in (encoder, decoder):
        network.double().eval()
        for parameter in network.parameters():
            if parameter.ndim == 1:
                nn.init.normal_(parameter, 0.5, 0.5)
    return encoder, decoder


def clip(frames: int, channels: int = 1, side: int = 8) -> torch.Tensor:
    generator = torch.Generator().manual_seed(frames)
    return torch.randn(1, channels, frames, side, side, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize(
    ("width", "latent", "encoder", "decoder"),
    [
        (128, 4, 38_157_704, 108_339_132),
        (160, 4, 58_884_040, 164_368_476),
        (192, 4, 84_089_352, 232_245_500),
        (192, 16, 84_587_040, 232_494_332),
    ],
)
def test_published_sizes(width, latent, encoder, decoder):
    with torch.device("meta"):
        networks = wf_vae.Encoder(3, 2 * latent, width), wf_vae.Decoder(latent, 3, width)
    counts = [sum(p.numel() for p in network.parameters()) for network in networks]
    assert counts == [encoder - HAAR_KERNELS, decoder]


@families
def test_clips_of_1_and_4_k_frames_become_1_and_k_latents_and_an_image_one(family, options):
    with torch.device("meta"):
        encoder, decoder = family.Encoder(**options), family.Decoder(**options)
        for frames, latents in ((17, 5), (1, 1)):
            features = encoder(torch.zeros(1, 3, frames, 64, 32))
            assert features.shape == (1, 8, latents, 8, 4)
            assert decoder(features[:, :4]).shape == (1, 3, frames, 64, 32)


@families
def test_chunks_equal_the_whole_clip_at_every_length(family, options):
    encoder, decoder = small(family, options)
    for frames in LENGTHS if family is wf_vae else (1, 17, 29):
        x = clip(frames)
        encoder.chunk = decoder.chunk = None
        features = encoder(x)
        whole = decoder(features[:, :4])
        for size in (2,) if frames > 33 else (1, 2, 3):
            encoder.chunk = decoder.chunk = size
            assert_close(encoder(x), features, rtol=0, atol=1e-10)
            assert_close(decoder(features[:, :4]), whole, rtol=0, atol=1e-10)


@families
def test_outside_of_training_a_chunk_is_all_that_is_computed_at_once(family, options):
    for network, x, frames in zip(
        small(family, options, chunk=2),
        (clip(17), clip(5, 4, 1)),
        ([1, 8, 8], [1, 2, 2]),
        strict=True,
    ):
        seen, step = [], network._chunk
        network._chunk = lambda c, s, step=step, seen=seen: (seen.append(c.shape[2]), step(c, s))[1]
        network(x)
        assert seen == frames
        network.train()(x)
        assert seen[3:] == [x.shape[2]]


def test_group_normalisation_has_no_chunks_because_they_would_differ():
    encoder, _ = small(wf_vae, {}, width=32, flow=32, norm="group")
    x = clip(9)
    chunks = in_chunks(encoder._chunk, x, 4)
    assert (chunks - encoder(x)).abs().max() > 0.01
    for family in (wf_vae, causal_vae):
        for network in (family.Encoder, family.Decoder):
            with pytest.raises(ValueError, match="would not equal the whole clip"):
                network(width=32, norm="group", chunk=1)
            with pytest.raises(ValueError, match="chunks of 1 or more"):
                network(width=32, chunk=0)
            with pytest.raises(ValueError, match="norm is one of layer, group"):
                network(width=32, norm="batch")


@families
def test_latents_see_no_later_frames(family, options):
    """Latent j sees frames up to 4 j, and frame 4 j - 3 is the first that it alone sees."""
    encoder, _ = small(family, options)
    x = clip(13)
    features = encoder(x)
    for frame in range(13):
        changed = x.clone()
        changed[:, :, frame] += 1
        touched = (encoder(changed) != features).any(1).flatten(2).any(2)[0]
        first = -(-frame // 4)
        assert touched.tolist() == [False] * first + [True] * (4 - first)


def test_frames_see_one_latent_ahead():
    _, decoder = small(wf_vae, {"flow": 4})
    z = clip(5, 4, 1)
    whole, firsts = decoder(z), []
    for latent in range(5):
        changed = z.clone()
        changed[:, :, latent] += 1
        firsts.append((decoder(changed) != whole).flatten(3).any(3).flatten().nonzero()[0].item())
    assert firsts == [0, 1, 3, 7, 11]


def test_the_decoder_adds_its_bands_to_the_low_ones_so_that_data_come_back_from_their_pyramid():
    """Heads that make the high bands of a clip, and nothing of low ones but the last, make it."""
    encoder, decoder = small(wf_vae, {"flow": 4}, haar="exact")
    x = clip(9, side=16)
    first = wf_vae.haar3(x, encoder.scale)
    low = encoder.bands(x)
    high = lambda bands: torch.cat([0 * bands[:, :1], bands[:, 1:]], 1)  # noqa: E731
    made = {"connect_l2": low.low3, "connect_l1": high(low.low2), "conv_out": high(first)}
    for name, bands in made.items():
        getattr(decoder, name).forward = lambda *_, bands=bands: bands
    y, bands = decoder.with_bands(clip(3, 4, 2))
    assert_close(y, x)
    assert_close(bands, low)


def test_low_frequencies_flow_around_the_network():
    """Each level of bands reaches the latents by a path of its own, and leaves by one."""
    encoder, decoder = small(wf_vae, {"flow": 4})
    x, z = clip(5), clip(2, 4, 1)
    for network, data in ((encoder, x), (decoder, z)):
        whole = network(data)
        for connect in (network.connect_l1, network.connect_l2):
            head = connect if isinstance(connect, wf_vae.FrameConv) else connect[-1]
            with torch.no_grad():
                kept = head.weight.clone()
                head.weight.zero_()
                assert (network(data) - whole).abs().max() > 1e-3
                head.weight.copy_(kept)


def test_sums_of_bands_are_in_single_precision_under_autocast():
    _, decoder = small(wf_vae, {"flow": 4})
    decoder.float()
    with torch.autocast("cpu", torch.bfloat16):
        y, bands = decoder.with_bands(clip(2, 4, 1).float())
    assert {y.dtype, bands.low2.dtype, bands.low3.dtype} == {torch.float32}


@families
def test_clips_that_do_not_fit_are_refused(family, options):
    encoder = family.Encoder(3, width=4, **options)
    for shape in ((16, 16, 16), (17, 12, 16), (17, 16, 20)):
        with pytest.raises(ValueError, match=r"1 \+ 4 k frames whose sides are multiples of 8"):
            encoder(torch.zeros(1, 3, *shape))


def test_multipliers_of_other_than_four_levels_are_refused():
    for multipliers, network in itertools.product(
        ([1, 2, 4], [2, 2, 4, 4]), (causal_vae.Encoder, causal_vae.Decoder)
    ):
        with pytest.raises(ValueError, match="four multipliers are needed, the first of them 1"):
            network(multipliers=multipliers)


def test_a_stream_that_ends_gives_back_what_was_held():
    _, decoder = small(wf_vae, {"flow": 4})
    stream, z = Stream(), clip(3, 4, 1)
    frames = []
    for number, latent in enumerate(z.split(1, 2)):
        stream.first, stream.last = number == 0, number == 2
        frames.append(decoder._chunk(latent, stream)[0].shape[2])
    assert frames == [1, 2, 6]
    assert not stream._kept
