"""The autoencoder of three planes: sizes, the projections to planes, and what they are read as."""

import pytest
import torch

from ldm.networks.rotary import rotated, rotation_by
from ldm.networks.videos.triplane import TriplaneDecoder, TriplaneEncoder
from ldm.networks.videos.triplane.blocks import Collapse
from ldm.networks.videos.triplane.planes import Planes
from ldm.networks.videos.triplane.rotary import space_angles, time_angles

SMALL = {"width": 16, "depth": 1, "heads": 2, "head_width": 8, "patch": 4}
CLIP = [3, 3, 8, 16]  # frames, rows and columns of 3, 2 and 4 patches


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_the_published_sizes_have_the_published_parameters_and_shapes():
    with torch.device("meta"):
        encoder, decoder = TriplaneEncoder(), TriplaneDecoder()
        latent = encoder(torch.zeros(1, 3, 16, 256, 256))
        clip = decoder(latent)
    assert (latent.shape, clip.shape) == ((1, 4, 2048), (1, 3, 16, 256, 256))
    assert count(encoder) + count(decoder) == 62_064_399
    assert count(encoder.embed) + count(encoder.blocks) == 26_865_024
    assert (count(decoder.blocks), count(decoder.to_pixel)) == (26_790_912, 73_731)
    assert {count(one.layers) for one in encoder.collapse} == {2_763_776}


def test_planes_are_cut_in_their_order_and_joined_again():
    planes = Planes(2, 3, 4)
    assert planes.sides == [(3, 4), (2, 4), (2, 3)]
    latent = torch.arange(planes.length).float().view(1, 1, -1)
    xy, yt, xt = planes.split(latent)
    assert (xy[0, 0, 0, 0], yt[0, 0, 0, 0], xt[0, 0, 0, 0]) == (0, 12, 20)
    assert torch.equal(planes.join([xy, yt, xt]), latent)


def test_the_decoder_reads_a_sum_of_functions_of_two_coordinates():
    # a(h, w) + b(t, w) + c(t, h): the mixed third difference over (t, h, w) is zero.
    decoder = TriplaneDecoder(CLIP, [4, Planes(3, 2, 4).length], **SMALL).double()
    volume = decoder.volume(torch.randn(2, 4, decoder.planes.length).double())
    assert volume.shape == (2, 3, 2, 4, 16)
    assert volume.diff(dim=1).abs().max() > 0.1
    assert volume.diff(dim=1).diff(dim=2).diff(dim=3).abs().max() < 1e-13


def test_each_plane_is_constant_along_its_own_axis_alone():
    decoder = TriplaneDecoder(CLIP, [4, Planes(3, 2, 4).length], **SMALL)
    for number in range(3):
        planes = decoder.planes.split(torch.zeros(1, 4, decoder.planes.length))
        planes[number] = torch.randn_like(planes[number])
        volume = decoder.volume(Planes.join(planes))
        varies = [bool(volume.diff(dim=axis).abs().max() > 0) for axis in (1, 2, 3)]
        assert varies == [axis != number for axis in range(3)]


def test_planes_collapse_the_axis_that_they_lack():
    # The transformers read the features of one place, column or row: with all attention within
    # the blocks left out, a change of one patch reaches only the planes' places above it.
    encoder = TriplaneEncoder(CLIP, **SMALL)
    encoder.blocks = torch.nn.ModuleList()
    clip = torch.randn(1, 3, 3, 8, 16)
    changed = clip.clone()
    changed[:, :, 1, 4:8, 8:12] += 1  # frame 1, row 1, column 2
    before, after = (encoder.planes.split(encoder(x)) for x in (clip, changed))
    places = [(b != a).any(1)[0].nonzero().tolist() for b, a in zip(before, after, strict=True)]
    assert places == [[[1, 2]], [[1, 2]], [[1, 1]]]


def test_a_collapse_is_asked_by_its_first_place():
    collapse = Collapse(3, 16)
    x = torch.randn(2, 3, 16)
    assert not torch.allclose(collapse(x), collapse(x.flip(1)))
    for layer in collapse.layers:  # without attention, only the place that is read is left
        layer.attention.proj.weight.data.zero_()
    changed = torch.cat([x[:, :1], torch.randn(2, 2, 16)], 1)
    assert torch.equal(collapse(x), collapse(changed))


def test_outputs_are_between_minus_one_and_one_and_gradients_reach_all_weights():
    encoder = TriplaneEncoder(CLIP, **SMALL)
    decoder = TriplaneDecoder(CLIP, [4, encoder.planes.length], **SMALL)
    clip = decoder(encoder(torch.randn(2, 3, 3, 8, 16)).tanh())
    assert clip.shape == (2, 3, 3, 8, 16)
    assert clip.abs().max() < 1
    clip.square().mean().backward()
    parameters = [*encoder.parameters(), *decoder.parameters()]
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in parameters)


def test_attention_to_places_depends_on_their_distance_and_that_to_times_does_not():
    q, k = torch.randn(2, 64, dtype=torch.float64)

    def scores(angles):
        turned = [
            rotated(x.expand(1, 1, len(angles), 64), rotation_by(angles.double()))[0, 0]
            for x in (q, k)
        ]
        return turned[0] @ turned[1].T

    row = scores(space_angles(1, 6, 64))  # one row: distances of columns
    assert max((row.diagonal(n) - row[0, n]).abs().max() for n in range(6)) < 1e-4
    time = scores(time_angles(6, 64))
    assert max((time.diagonal(n) - time[0, n]).abs().max() for n in range(6)) > 0.5


def test_angles_are_those_of_the_formula():
    assert torch.allclose(time_angles(3, 4)[2], torch.tensor([2.0, 0.02, 2.0, 0.02]))
    corner = space_angles(3, 3, 64)[2] / torch.pi  # first row, last column
    assert torch.allclose(corner[:32], -corner[32:])
    assert corner[32:].unique().tolist() == pytest.approx((5 ** (torch.arange(16) / 15)).tolist())


def test_other_clips_are_refused():
    encoder = TriplaneEncoder(CLIP, **SMALL)
    with pytest.raises(ValueError, match="built for clips of"):
        encoder(torch.zeros(1, 3, 4, 8, 16))
    with pytest.raises(ValueError, match="no whole number of patches"):
        TriplaneEncoder([3, 4, 9, 16], **SMALL)
    with pytest.raises(ValueError, match=r"26 places in all, found 2048"):
        TriplaneDecoder(CLIP, [4, 2048], **SMALL)
