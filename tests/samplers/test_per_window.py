"""A sampler of one window, and one of those that follow."""

import torch

from ldm.processes import Denoised, GaussianDiffusion
from ldm.samplers import DDIM, PerWindow
from ldm.spaces import Flat


def test_points_without_windows_are_walked_by_the_first():
    process, calls = GaussianDiffusion(Flat([2]), steps=20), []

    def denoise(x, t, condition):
        calls.append(t[0].item())
        return Denoised(x, 0 * x)

    x = torch.ones(1, 2)
    PerWindow(DDIM(4), DDIM(2))(denoise, process, x, {})
    assert calls == [19, 14, 9, 4]
