"""Flows of point sets with masks: exact for a single datum, and the same whatever is beside it."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from ldm.objectives import Regression
from ldm.priors import Denoiser
from ldm.processes import LinearFlow
from ldm.randomness import sample_generators
from ldm.samplers import EulerODE, HeunODE
from ldm.spaces import PointSet

MASK = torch.arange(5) < torch.tensor([5, 3, 1])[:, None]


class ToOne(nn.Module):
    """The velocity to one point set, cut to the places of a mask."""

    def __init__(self) -> None:
        super().__init__()
        self.datum = nn.Parameter(torch.randn(5, 4, generator=torch.Generator().manual_seed(0)))

    def forward(self, noisy, t, mask):
        end = PointSet(noisy.shape[1], 3, 1).on({"mask": mask})
        end = end.project(self.datum[: noisy.shape[1]].expand_as(noisy))
        return (end - noisy) / (1 - t)[:, None, None].clamp(min=1e-3)


def prior(places: int = 5) -> Denoiser:
    return Denoiser(ToOne(), LinearFlow(PointSet(places, 3, 1)), Regression("velocity"))


@pytest.mark.parametrize("sampler", [EulerODE(3), HeunODE(3)])
def test_the_flow_to_a_single_datum_ends_there_in_few_steps(sampler):
    space = PointSet(5, 3, 1).on({"mask": MASK})
    found = prior().sample(3, {"mask": MASK}, sampler, sample_generators(0, range(3)))
    expected = space.project(ToOne().datum.detach().expand(3, 5, 4))
    assert_close(found, expected, atol=1e-5, rtol=0)


def test_the_loss_of_the_exact_flow_is_zero_and_padding_counts_for_nothing():
    latent = ToOne().datum.detach().expand(3, 5, 4)
    space = PointSet(5, 3, 1).on({"mask": MASK})
    clean = space.project(latent)
    for x in (clean, torch.where(MASK[..., None], clean, 99.0)):
        loss = prior().loss(x, {"mask": MASK}, torch.Generator().manual_seed(0))["loss"]
        assert_close(loss, torch.zeros(3), atol=1e-5, rtol=0)


def test_samples_do_not_depend_on_their_padding():
    sampler, generators = EulerODE(2), lambda: sample_generators(0, range(3))
    wide = prior().sample(3, {"mask": MASK}, sampler, generators())
    narrow = prior(3).sample(2, {"mask": MASK[1:, :3]}, sampler, generators()[1:])
    assert_close(wide[1:, :3], narrow)
