"""Inputs that a denoising prior passes to its backbone, and its use of the output."""

import pytest
import torch
from torch import nn

from ldm.conditioning import Conditioning, Labels
from ldm.objectives import FlowMatching, Regression
from ldm.priors import Denoiser
from ldm.processes import GaussianDiffusion, GeodesicFlow, LinearFlow
from ldm.randomness import sample_generators
from ldm.samplers import (
    DDIM,
    EulerODE,
    Guidance,
    HeunODE,
    Likelihood,
    Unsolved,
)
from ldm.spaces import Flat
from ldm.tensors import like

SPACE = Flat([2, 3])
FLOW = LinearFlow(SPACE)
DDIM_8 = DDIM(8)


def generator():
    return torch.Generator().manual_seed(0)


class Centres(nn.Module):
    """The exact velocity of data of one point a class, at its centre; remembers what it read.

    It is (x1 - x_t) / (1 - t). The centre of the null label, the last, is the unconditional data's.
    """

    def __init__(self, *centres: float) -> None:
        super().__init__()
        self.centres = nn.Parameter(torch.tensor(centres))
        self.labels = []

    def forward(self, noisy, t, label):
        self.labels.append(label)
        return (like(self.centres[label], noisy) - noisy) / like(1 - t, noisy)


class Zero(nn.Module):
    """A backbone at its zero initialisation, without conditions."""

    def __init__(self) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.zeros(()))

    def forward(self, noisy, t):
        return self.gain * noisy


def conditional(rate=0.1):
    told = Conditioning(label=Labels(2, rate))
    return Denoiser(Centres(1.0, 5.0, 3.0), FLOW, Regression("velocity"), told)


def test_its_space_is_the_processes():
    assert conditional().space == Flat([2, 3])


def test_the_loss_is_one_number_a_sample_with_a_gradient():
    prior = conditional()
    losses = prior.loss(torch.ones(5, 2, 3), {"label": torch.zeros(5, dtype=torch.int64)})
    assert list(losses) == ["loss"]
    assert losses["loss"].shape == (5,)
    losses["loss"].mean().backward()
    assert prior.backbone.centres.grad is not None


def test_a_perfect_network_has_no_loss_where_the_label_is_kept():
    prior, label = conditional(rate=0.5), torch.tensor([0, 1]).repeat(50)
    latent = prior.backbone.centres.detach()[label].view(100, 1, 1).expand(100, 2, 3)
    loss = prior.loss(latent, {"label": label}, generator())["loss"]
    dropped = prior.backbone.labels[0] == 2
    assert 25 < dropped.sum() < 75
    assert loss[~dropped].max() < 1e-6
    assert loss[dropped].min() >= 3.9  # (5 - 3)^2 / (1 - t)^2, and so is (1 - 3)^2


def test_labels_are_dropped_in_training_and_never_in_sampling():
    prior, label = conditional(rate=1.0), torch.tensor([0, 1])
    prior.sample(2, {"label": label}, EulerODE(3), generator())
    assert all(torch.equal(seen, label) for seen in prior.backbone.labels)
    prior.backbone.labels.clear()
    prior.loss(torch.zeros(2, 2, 3), {"label": label}, generator())
    assert prior.backbone.labels[0].tolist() == [2, 2]


def test_which_labels_are_dropped_is_decided_by_the_generator_that_is_given():
    label, seen = torch.zeros(200, dtype=torch.long), []
    for before in (1, 2):
        torch.manual_seed(before)
        prior = conditional(rate=0.5)
        prior.loss(torch.zeros(200, 2, 3), {"label": label}, generator())
        seen += prior.backbone.labels
    assert 50 < (seen[0] == 2).sum() < 150
    assert torch.equal(seen[0], seen[1])


@pytest.mark.parametrize(("scale", "expected"), [(None, 5), (1.0, 5), (0.0, 3), (2.0, 7), (1.5, 6)])
def test_guided_samples_end_at_the_extrapolated_centre(scale, expected):
    # From the unconditional centre, 3, through the class's, 5.
    guidance = None if scale is None else Guidance(scale)
    label = {"label": torch.tensor([1, 1])}
    x = conditional().sample(2, label, EulerODE(4), generator(), guidance)
    torch.testing.assert_close(x, torch.full((2, 2, 3), float(expected)))


def test_samples_carry_no_graph():
    x = conditional().sample(2, {"label": torch.tensor([0, 1])}, EulerODE(3), generator())
    assert not x.requires_grad


def test_unconditional_priors_read_no_condition():
    prior = Denoiser(Zero(), GaussianDiffusion(SPACE), Regression("eps"))
    label = {"label": torch.tensor([0, 1, 2])}  # the backbone would refuse it
    loss = prior.loss(torch.zeros(3, 2, 3), label, generator())["loss"]
    assert loss.shape == (3,)
    assert prior.sample(3, label, DDIM_8, generator()).shape == (3, 2, 3)


def test_a_sample_is_its_seeds_whatever_the_batch():
    prior = conditional()

    def sample(indices):
        label = {"label": torch.tensor(indices) % 2}
        own = sample_generators(4, indices)
        return prior.sample(len(indices), label, EulerODE(3), own, Guidance(2.0))

    parts = torch.cat([sample([0, 1]), sample([2]), sample([3])])
    torch.testing.assert_close(sample([0, 1, 2, 3]), parts)


def test_a_sample_is_the_transport_of_a_draw_of_the_base_distribution():
    prior, label = conditional(), {"label": torch.tensor([0, 1])}
    sample = prior.sample(2, label, EulerODE(3), generator(), Guidance(2.0))
    calls = prior.network_calls
    start = FLOW.random(2, generator())
    found = prior.transport(start, label, EulerODE(3), guidance=Guidance(2.0))
    assert torch.equal(found, sample)
    assert calls == prior.network_calls == 3
    assert not found.requires_grad


def test_transport_from_the_middle_ends_at_the_centre_and_back_where_it_began():
    prior, label = conditional(), {"label": torch.tensor([0, 1])}
    start = torch.randn(2, 2, 3, generator=generator())
    end = prior.transport(start, label, EulerODE(3), span=(0.5, 1.0))
    torch.testing.assert_close(end, torch.tensor([1.0, 5.0]).view(2, 1, 1).expand(2, 2, 3))
    middle = prior.transport(start, label, EulerODE(3), span=(0.0, 0.5))
    back = prior.transport(middle, label, HeunODE(200), span=(0.5, 0.0))
    torch.testing.assert_close(back, start, rtol=0, atol=1e-3)


def test_guidance_of_an_unconditional_prior_is_refused():
    prior = Denoiser(Zero(), FLOW, Regression("velocity"))
    with pytest.raises(ValueError, match=r"no conditions to guide by: set guidance\.scale=1"):
        prior.sample(2, {}, EulerODE(3), guidance=Guidance(1.5))


def test_an_objective_for_another_process_is_refused():
    with pytest.raises(ValueError, match="asks for a Denoised, but FlowMatching teaches"):
        Denoiser(Zero(), FLOW, FlowMatching())
    with pytest.raises(ValueError, match="asks for a Velocity, but Regression teaches"):
        Denoiser(Zero(), GeodesicFlow(SPACE), Regression("velocity"))


def test_a_network_of_another_output_is_refused():
    class Short(Zero):
        def forward(self, noisy, t):
            return super().forward(noisy, t)[..., :2]

    prior = Denoiser(Short(), GeodesicFlow(SPACE), FlowMatching())
    with pytest.raises(ValueError, match=r"network gives \(2, 2\) for points of \(2, 3\)"):
        prior.loss(torch.zeros(4, 2, 3), {})
    with pytest.raises(ValueError, match=r"\(2, 2\)"):
        Denoiser(Short(), FLOW, Regression("velocity")).loss(torch.zeros(4, 2, 3), {})


def test_missing_labels_are_refused_in_training_and_sampling():
    prior = conditional()
    with pytest.raises(ValueError, match="batch has no label"):
        prior.loss(torch.zeros(2, 2, 3), {})
    with pytest.raises(ValueError, match="batch has no label"):
        prior.sample(2, {}, EulerODE(3), guidance=Guidance(2.0))


def test_its_weights_are_the_backbones_and_nothing_else():
    assert list(conditional().state_dict()) == ["backbone.centres"]


def test_samples_that_are_nan_are_refused_with_their_number():
    prior = Denoiser(Zero(), FLOW, Regression("velocity"))
    nn.init.constant_(prior.backbone.gain, float("inf"))
    with pytest.raises(Unsolved, match="EulerODE came to NaN for 4 of 4 points"):
        prior.sample(4, {}, EulerODE(3), generator())


class PartlyNaN(Zero):
    """One coordinate of one latent is NaN."""

    def forward(self, noisy, t):
        output = super().forward(noisy, t).expand_as(noisy).clone()
        output[1, 0, 2] = torch.nan
        return output


def test_a_sample_with_one_coordinate_that_is_nan_is_refused():
    prior = Denoiser(PartlyNaN(), FLOW, Regression("velocity"))
    with pytest.raises(Unsolved, match="EulerODE came to NaN for 1 of 4 points"):
        prior.sample(4, {}, EulerODE(3), generator())


def test_calls_of_the_network_are_counted_for_each_draw_and_likelihood():
    prior = Denoiser(Zero(), GeodesicFlow(SPACE), FlowMatching())
    for steps in (5, 3, 3):
        prior.sample(2, {}, EulerODE(steps), generator())
        assert prior.network_calls == steps
    counts = []
    for steps in (4, 2, 2):
        prior.log_prob(SPACE.random(2, generator()), {}, Likelihood(steps), generator())
        counts.append(prior.network_calls)
    assert counts[0] > counts[1] == counts[2] > 0
