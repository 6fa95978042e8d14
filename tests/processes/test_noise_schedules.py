"""Published values of the cumulative signal, and agreement with diffusers."""

import pytest
import torch
from diffusers import DDPMScheduler
from hydra.utils import instantiate

from ldm.config.compose import compose
from ldm.processes.noise_schedules import cosine, linear, polynomial_2, scaled_linear
from ldm.spaces import Flat


@pytest.mark.parametrize(
    ("betas", "step", "published"),
    [
        (linear(), 499, 0.078587),  # DiT
        (linear(), 999, 4.0358e-5),
        (scaled_linear(), 0, 0.9985),  # LDM
        (scaled_linear(), 499, 0.11584),
        (scaled_linear(), 999, 1.4230e-4),
        (scaled_linear(end=0.0155), 999, 6.687e-4),  # LDM on LSUN churches
    ],
)
def test_the_cumulative_signal_is_the_published_one(betas, step, published):
    assert (1 - betas).cumprod(0)[step].item() == pytest.approx(published, rel=1e-4)


@pytest.mark.parametrize(
    ("experiment", "published"),
    [
        ("pvdm/ucf101_l", {499: 0.115845, 999: 1.42304e-4}),
        ("lvdm/ucf101", {249: 0.537, 999: 6.687e-4}),
        ("lvdm/text", {999: 4.660e-3}),
        ("lfdm/mug", {499: 0.49384, 999: 2.43e-10}),
    ],
)
def test_experiments_of_videos_end_at_their_published_signal(experiment, published):
    node = compose([f"experiment={experiment}"]).prior.process
    signal = instantiate(node, space=Flat([1])).alpha_bar
    for step, value in published.items():
        assert signal[step].item() == pytest.approx(value, rel=2e-3)


@pytest.mark.parametrize(
    ("betas", "name"),
    [
        (linear(700, start=0.0015, end=0.0195), "linear"),
        (scaled_linear(700), "scaled_linear"),
        (cosine(700), "squaredcos_cap_v2"),
    ],
)
def test_betas_are_those_of_diffusers(betas, name):
    theirs = DDPMScheduler(700, beta_start=0.0015, beta_end=0.0195, beta_schedule=name).betas
    torch.testing.assert_close(betas.float(), theirs, rtol=1e-5, atol=1e-7)


def test_the_cosine_is_nichol_and_dhariwals_until_it_is_clipped():
    # Equation 17 at half time: cos^2(pi/2 (1/2 + s) / (1 + s)) over its value at 0, s = 0.008.
    angles = torch.tensor([0.508, 0.008], dtype=torch.float64) / 1.008 * torch.pi / 2
    half, start = angles.cos().square()
    signal = (1 - cosine(1000)).cumprod(0)
    torch.testing.assert_close(signal[499], half / start)
    assert cosine(1000).max() == 0.999


@pytest.mark.parametrize(
    ("t", "signal", "gamma"),
    [
        (0, 0.99999, -11.512915),
        (1, 0.999988000041, -11.330595),
        (100, 0.980090398, -3.896443),
        (250, 0.878898671875, -1.982042),
        (500, 0.56249875, -0.251309),
        (750, 0.191412421875, 1.440859),
        (900, 0.036109278, 3.284428),
        (999, 1.3995921e-5, 11.176731),
        (1000, 1.00039959e-5, 11.512516),
    ],
)
def test_the_polynomial_schedule_is_that_of_edm_at_all_of_its_times(t, signal, gamma):
    found = (1 - polynomial_2()).cumprod(0)
    assert len(found) == 1001
    assert found[t].item() == pytest.approx(signal, abs=1e-9)
    assert torch.log((1 - found[t]) / found[t]).item() == pytest.approx(gamma, abs=1e-6)
    assert (found.diff() < 0).all()
