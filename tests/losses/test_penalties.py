"""Closed forms of the penalties of discriminators."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from ldm.losses import GradientPenalty, LeCam


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def test_lecam_compares_logits_with_the_other_kinds_moving_average():
    penalty = LeCam(weight=0.3, decay=0.9).double()
    a_real = a_fake = torch.zeros((), dtype=torch.float64)
    for step in range(3):
        real, fake = normal(4, 5, seed=step) + 1, normal(4, 5, seed=step + 9) - 1
        found = penalty(real, real, fake)
        a_real, a_fake = 0.9 * a_real + 0.1 * real.mean(), 0.9 * a_fake + 0.1 * fake.mean()
        above, below = (real - a_fake).clamp(min=0), (a_real - fake).clamp(min=0)
        assert_close(found, 0.3 * (above.square().mean() + below.square().mean()))
    assert_close(penalty.averages, torch.stack([a_real, a_fake]))


def test_averages_of_logits_are_resumed_with_the_rest():
    assert list(LeCam().state_dict()) == ["averages"]


def test_the_gradient_penalty_of_a_linear_discriminator_is_its_squared_weight():
    linear = nn.Linear(6, 1).double()
    x = normal(4, 6).requires_grad_()
    logits = linear(x)
    loss = GradientPenalty(weight=10.0)(x, logits, logits)
    assert_close(loss, 10 * linear.weight.square().sum())
    loss.backward()
    assert_close(linear.weight.grad, 20 * linear.weight.detach())


def test_a_penalty_at_some_steps_is_as_strong_on_average():
    linear = nn.Linear(6, 1).double()
    x = normal(4, 6).requires_grad_()
    lazy, all_ = (GradientPenalty(2.0, every)(x, linear(x), x) for every in (16, 1))
    assert_close(lazy, 16 * all_)
    with pytest.raises(ValueError, match="every must be 1 step or more, got 0"):
        GradientPenalty(every=0)


def test_every_logit_of_a_sample_counts_in_its_gradient():
    x = normal(2, 3).requires_grad_()
    logits = x[:, :, None] * torch.arange(1.0, 4.0, dtype=torch.float64)
    assert_close(GradientPenalty(1.0)(x, logits, logits).item(), 3 * 6.0**2)
