"""Inputs of the first layer at each time, and the initial output."""

import torch
from torch.testing import assert_close

from ldm.networks.points.point_features import FourierFeatures, RandomFourierFeatures
from ldm.networks.points.wave_mlp import WaveMLP


def read(model, x, t):
    """Record the input of the first layer."""
    seen = []
    model.blocks.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    model(x, t)
    return seen[0]


def test_waves_are_means_under_normal_noise_as_wide_as_the_remaining_time():
    model = WaveMLP([2], FourierFeatures(2, 3), gate=0.5).double()
    x = torch.tensor([[0.3, 2.0]], dtype=torch.float64)
    found = read(model, x, torch.tensor([0.6], dtype=torch.float64))[:, :12]
    noise = torch.randn(1_000_000, 2, generator=torch.Generator().manual_seed(0)).double()
    assert_close(found[0], model.waves(x + 0.5 * 0.4 * noise).mean(0), atol=3e-3, rtol=0)


def test_waves_are_undamped_at_data_and_without_a_gate_at_all_times():
    waves = RandomFourierFeatures(3, 16)
    x = torch.randn(4, 3)
    assert_close(read(WaveMLP([3], waves), x, torch.ones(4))[:, :32], waves(x))
    assert_close(read(WaveMLP([3], waves, gate=0.0), x, torch.rand(4))[:, :32], waves(x))


def test_without_coordinates_the_output_is_periodic_in_the_angles():
    model = WaveMLP([2], FourierFeatures(2, 3), coordinates=False)
    torch.nn.init.normal_(model.head.weight)
    x, t = torch.rand(4, 2), torch.rand(4)
    assert_close(model(x, t), model(x + 2 * torch.pi, t), atol=1e-4, rtol=1e-4)


def test_a_new_network_is_zero():
    model = WaveMLP([3, 2], RandomFourierFeatures(6, 16))
    assert model(torch.randn(4, 3, 2), torch.rand(4)).abs().max() == 0
