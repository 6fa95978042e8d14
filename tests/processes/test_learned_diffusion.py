"""A noise schedule that is learned: always rising, by the bound alone, and walked by samplers."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from ldm.objectives import Regression, VariationalBound
from ldm.priors import Denoiser
from ldm.processes import LearnedDiffusion
from ldm.samplers import DDIM
from ldm.spaces import Flat, PointSet


class Scaled(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, noisy, t, **condition):
        return self.scale * noisy


def prior(space=None, steps: int = 101) -> Denoiser:
    torch.manual_seed(0)
    process = LearnedDiffusion(space or Flat([2]), steps, width=32)
    return Denoiser(Scaled(), process, VariationalBound())


@pytest.mark.parametrize("seed", range(5))
def test_noise_rises_between_its_ends_whatever_the_weights(seed):
    process = prior().process
    torch.manual_seed(seed)
    for parameter in (*process.straight.parameters(), *process.wide.parameters()):
        nn.init.normal_(parameter, std=2.0)
    gamma = process.gamma(torch.arange(101))
    assert (gamma.diff() >= 0).all()
    assert_close(gamma[[0, -1]].detach(), torch.tensor([-5.0, 10.0]), atol=1e-3, rtol=0)
    assert_close(process.alpha_bar, torch.sigmoid(-gamma.detach().double()))
    assert_close((1 - process.betas).cumprod(0), process.alpha_bar)
    alpha, sigma = process.alpha_sigma(torch.arange(101))
    assert_close(alpha.square() + sigma.square(), torch.ones(101))


def test_the_bound_teaches_it_with_the_network_and_it_is_saved_with_it():
    model = prior()
    before = {key: x.clone() for key, x in model.state_dict().items()}
    assert any(key.startswith("process.") for key in before)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    latent = 0.1 * torch.randn(256, 2, generator=torch.Generator().manual_seed(0))
    for step in range(20):
        generator = torch.Generator().manual_seed(step)
        optimizer.zero_grad()
        model.loss(latent, {}, generator)["loss"].mean().backward()
        optimizer.step()
    moved = [key for key, x in model.state_dict().items() if not torch.equal(x, before[key])]
    assert {"process.first", "process.wide.weight", "backbone.scale"} <= set(moved)


def test_it_is_bound_to_a_context_and_walked_by_samplers():
    model = prior(PointSet(4, 3, 1))
    mask = torch.arange(4) < torch.tensor([[4], [2]])
    bound = model.process.on({"mask": mask})
    assert bound.space.mask is mask
    assert bound.first is model.process.first
    sampler = DDIM(steps=5)
    x = model.sample(2, {"mask": mask}, sampler, torch.Generator().manual_seed(0))
    bound.space.check(x)


@pytest.mark.parametrize("objective", [Regression("eps"), VariationalBound("l2")])
def test_other_losses_are_refused(objective):
    with pytest.raises(ValueError, match="by the variational bound alone"):
        objective.check(prior().process)
