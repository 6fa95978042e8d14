"""Regression on what bridges add to a known drift."""

import pytest
import torch
from torch.testing import assert_close

from ldm.objectives import DriftMatching, Regression
from ldm.processes import LatticeBridge
from ldm.spaces import Lattice


def test_the_loss_is_the_mean_square_over_all_places_of_what_the_network_misses():
    mask = torch.tensor([[True, True, False], [True, False, False]])
    bridge = LatticeBridge(Lattice([2, 3], levels=5, lowest=-2)).on({"mask": mask})
    latent = bridge.space.random(2, torch.Generator().manual_seed(0))
    seen = []

    def right(x, t):
        seen.append(bridge.target(latent, x, t))
        return seen[-1] + 7.0 * ~mask[:, None]  # what it says of padding does not count

    assert_close(DriftMatching().loss(right, bridge, latent, {}), torch.zeros(2))
    generator = torch.Generator().manual_seed(1)
    silent = DriftMatching().loss(lambda x, t: 0 * x, bridge, latent, {}, generator)
    DriftMatching().loss(right, bridge, latent, {}, torch.Generator().manual_seed(1))
    assert_close(silent, seen[-1].square().sum((1, 2)) / 6)


def test_objectives_of_other_processes_are_refused():
    bridge = LatticeBridge(Lattice([2], 3))
    with pytest.raises(ValueError, match="asks for a Drift"):
        Regression("eps").check(bridge)
