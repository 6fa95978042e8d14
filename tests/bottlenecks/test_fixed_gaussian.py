"""Noise of a fixed width, in the space and nowhere else."""

import pytest
import torch
from torch.testing import assert_close

from ldm.bottlenecks import FixedGaussian
from ldm.spaces import PointSet, Sphere

MASK = torch.tensor([[True, True, True, False], [True, False, False, False]])


def test_latents_are_the_features_and_noise_in_the_samples_own_subspace():
    n = 5000
    whole = FixedGaussian(PointSet(4, 3, 1), 0.1)
    one = whole.on({"mask": MASK.repeat_interleave(n, 0)})
    mean = whole.on({"mask": MASK}).space.random(2, torch.Generator().manual_seed(0))
    found = one(mean.repeat_interleave(n, 0), torch.Generator().manual_seed(1))
    one.space.check(found.latent)
    away = (found.latent - found.raw).square().sum((1, 2)).view(2, n).mean(1)
    assert_close(away, 0.01 * torch.tensor([2 * 3 + 3.0, 1.0]), rtol=0.06, atol=0)
    assert_close(found.losses["kl"], mean.square().sum((1, 2)).mean() / 2)
    assert_close(one.mode(found.raw), found.raw)


def test_no_width_is_no_noise_and_curved_spaces_are_refused():
    h = PointSet(4, 3, 1).random(2, torch.Generator().manual_seed(0))
    assert_close(FixedGaussian(PointSet(4, 3, 1), 0.0)(h).latent, h)
    with pytest.raises(ValueError, match="choose a linear space"):
        FixedGaussian(Sphere(2), 0.1)
