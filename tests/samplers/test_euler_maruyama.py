"""The walk in ambient coordinates."""

import pytest
import torch
from torch.testing import assert_close

from ldm.processes import DiffusionMixture, Drifts, LatticeBridge
from ldm.processes.rates import Linear
from ldm.samplers import EulerMaruyama, GeodesicWalk
from ldm.spaces import Flat, Lattice


def test_in_a_flat_space_it_is_the_geodesic_walk():
    process = DiffusionMixture(Flat([3]), Linear(1.0, 1.0))

    def denoise(x, t, condition):
        return Drifts(torch.sin(x) * t[:, None], x)

    start = process.random(5, torch.Generator().manual_seed(0))
    one, other = (
        kind(7)(denoise, process, start, {}, torch.Generator().manual_seed(1))
        for kind in (EulerMaruyama, GeodesicWalk)
    )
    assert_close(one, other)


def test_no_steps_and_the_way_back_are_refused():
    with pytest.raises(ValueError, match="1 step or more"):
        EulerMaruyama(0)
    process = LatticeBridge(Lattice([1], 3))
    with pytest.raises(ValueError, match="cannot be reversed"):
        EulerMaruyama(3)(lambda *_: None, process, process.random(1), {}, None, (1.0, 0.0))
