"""LFDM's autoencoder."""

import pytest
import torch
from torch.nn import functional as F

from ldm.networks.videos.lfdm.autoencoder import FlowDecoder, FlowEncoder
from ldm.networks.videos.lfdm.flow import FlowPredictor, motions
from ldm.networks.videos.lfdm.generator import Generator
from ldm.networks.videos.lfdm.layers import Smoothed, grid, warp
from ldm.networks.videos.lfdm.regions import BackgroundPredictor, RegionPredictor, measured


def count(*models: torch.nn.Module) -> int:
    return sum(one.numel() for model in models for one in model.parameters())


def heatmaps(n: int = 2, regions: int = 3, side: int = 9) -> torch.Tensor:
    logits = torch.randn(n, regions, side * side, dtype=torch.float64)
    return logits.softmax(-1).view(n, regions, side, side)


def test_networks_have_the_published_numbers_of_parameters():
    with torch.device("meta"):
        assert count(RegionPredictor()) == 14_146_728
        assert count(BackgroundPredictor()) == 6_282_438
        assert count(flow := FlowPredictor()) == 37_730_268
        assert count(flow, Generator()) == 45_575_391
        assert count(FlowEncoder(), FlowDecoder()) == 66_004_557


def test_shapes_are_the_published_ones():
    clip = torch.zeros(1, 3, 2, 128, 128, device="meta")
    with torch.device("meta"):
        encoder, decoder = FlowEncoder(), FlowDecoder()
    assert encoder(clip).shape == (1, 3, 2, 32, 32)
    assert decoder.appearance(clip[:, :, 0]).shape == (1, 256, 32, 32)
    assert decoder(encoder(clip), clip[:, :, 0]).shape == clip.shape


def test_axes_of_a_region_make_its_covariance():
    found = measured(heatmaps())
    assert torch.allclose(found.affine @ found.affine.mT, found.covariance)


def test_a_region_of_two_places_is_measured_by_hand():
    heat = torch.zeros(1, 1, 3, 3, dtype=torch.float64)
    heat[0, 0, 1, 0] = heat[0, 0, 1, 2] = 0.5  # left and right of the centre
    found = measured(heat)
    assert torch.allclose(found.shift, torch.zeros(1, 1, 2, dtype=torch.float64))
    assert found.covariance.flatten().tolist() == [1, 0, 0, 0]


def test_frames_that_are_alike_move_nowhere():
    regions = measured(heatmaps())
    at = grid(7, 5, regions.shift)
    background = torch.eye(2, 3, dtype=torch.float64).expand(2, -1, -1)
    flows = motions(at, regions, regions, background)
    assert torch.allclose(flows, at.expand_as(flows))


def test_a_region_that_moves_takes_its_places_along():
    source = measured(heatmaps())
    moved = source._replace(shift=source.shift + 0.25)
    at = grid(7, 5, source.shift)
    flows = motions(at, source, moved, torch.eye(2, 3, dtype=torch.float64).expand(2, -1, -1))
    assert torch.allclose(flows[:, 1:], (at - 0.25).expand_as(flows[:, 1:]))


def test_the_sign_of_an_axis_does_not_matter():
    source, driving = measured(heatmaps()), measured(heatmaps())
    turned = driving._replace(affine=-driving.affine)
    at, still = grid(7, 5, source.shift), torch.eye(2, 3, dtype=torch.float64).expand(2, -1, -1)
    assert torch.equal(motions(at, source, driving, still), motions(at, source, turned, still))


def test_a_still_clip_has_the_flow_that_stays_in_place():
    torch.manual_seed(0)
    encoder = FlowEncoder([3, 2, 128, 128], width=4, most=16).eval()
    still = torch.rand(1, 3, 1, 128, 128).expand(-1, -1, 2, -1, -1) * 2 - 1
    flow = encoder(still)[:, :2].movedim(1, -1)
    assert (flow - grid(32, 32, flow)).abs().max() < 1e-5


def test_a_visible_source_is_warped_and_nothing_else():
    torch.manual_seed(0)
    net = Generator(3, width=4, blocks=1).double().eval()
    source = torch.rand(2, 3, 16, 16, dtype=torch.float64)
    flow = torch.rand(2, 4, 4, 2, dtype=torch.float64) * 2 - 1
    visible = torch.ones(2, 1, 4, 4, dtype=torch.float64)
    assert torch.equal(net(source, flow, visible), warp(source, flow))


def test_what_is_occluded_does_not_depend_on_the_source():
    torch.manual_seed(0)
    net = Generator(3, width=4, blocks=1).double().eval()
    source = torch.rand(1, 3, 16, 16, dtype=torch.float64, requires_grad=True)
    flow = torch.rand(1, 4, 4, 2, dtype=torch.float64) * 2 - 1
    hidden = torch.zeros(1, 1, 4, 4, dtype=torch.float64)
    net(source, flow, hidden).sum().backward()
    assert source.grad.abs().max() == 0


def test_several_flows_share_the_features_of_their_source():
    torch.manual_seed(0)
    net = Generator(3, width=4, blocks=1).double().eval()
    source = torch.rand(2, 3, 16, 16, dtype=torch.float64)
    flow = torch.rand(6, 4, 4, 2, dtype=torch.float64) * 2 - 1
    visible = torch.rand(6, 1, 4, 4, dtype=torch.float64)
    apart = net(source.repeat_interleave(3, 0), flow, visible)
    assert torch.allclose(net(source, flow, visible), apart)


def test_a_grid_at_the_corners_is_nearly_in_place():
    ramp = torch.linspace(0, 1, 128).expand(1, 1, 128, -1)
    still = grid(32, 32, ramp)[None]
    assert 0.01 < (warp(ramp, still) - ramp)[..., 4:-4, 4:-4].abs().max() < 0.02


def test_smoothing_keeps_what_is_constant_inside():
    x = torch.ones(1, 2, 64, 64)
    assert torch.allclose(Smoothed(4)(x)[..., 2:-2, 2:-2], torch.ones(1, 2, 12, 12))
    assert torch.equal(Smoothed(1)(x), x)


def test_smoothing_averages_what_alternates():
    x = torch.arange(64).remainder(2).float().expand(1, 1, 64, -1)
    inside = Smoothed(4)(x)[..., 4:-4, 4:-4]
    assert torch.allclose(inside, torch.full_like(inside, 0.5), atol=1e-3)
    assert F.avg_pool2d(x, 1).std() > 0.4


def test_sides_that_cannot_be_halved_are_refused():
    with pytest.raises(ValueError, match=r"multiples of 128 pixels, found \(3, 4, 64, 128\)"):
        FlowEncoder([3, 4, 64, 128])


def test_a_flow_without_a_first_frame_is_refused():
    with pytest.raises(ValueError, match="choose data that give one"):
        FlowDecoder([3, 2, 128, 128], 4, 1)(torch.zeros(1, 3, 2, 32, 32))
