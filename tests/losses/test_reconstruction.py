"""Both published reductions against explicit formulas, and the relation between them."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.testing import assert_close

from ldm.losses import ReconstructionLoss
from ldm.losses.reconstruction import bernoulli


class Distance(nn.Module):
    """Stand-in for a perceptual network: the largest squared difference in each sample."""

    def forward(self, x, y):
        return (x - y).square().flatten(1).amax(1)


def pair(seed: int = 0, shape=(4, 3, 8, 6)) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x, y = torch.rand(2, *shape, generator=generator, dtype=torch.float64) * 2 - 1
    return x, y


def total(loss: ReconstructionLoss, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return sum(loss(x, y).values())


def test_sum_equals_the_likelihood_of_kl_autoencoders():
    x, y = pair()
    # |x - y| of each element plus the image's distance, summed over elements, mean over the batch.
    each = (x - y).abs() + Distance()(x, y).view(-1, 1, 1, 1)
    loss = ReconstructionLoss("l1", Distance(), reduction="sum")
    assert_close(total(loss, x, y), each.sum() / 4)


def test_mean_of_l1_equals_the_loss_of_vqgan():
    x, y = pair()
    each = (x - y).abs() + Distance()(x, y).view(-1, 1, 1, 1)
    assert_close(total(ReconstructionLoss("l1", Distance()), x, y), each.mean())


def test_mean_of_l2_equals_the_loss_of_gsq():
    x, y = pair()
    loss = ReconstructionLoss("l2", Distance(), perceptual_weight=0.1)
    expected = nn.functional.mse_loss(y, x) + 0.1 * Distance()(x, y).mean()
    assert_close(total(loss, x, y), expected)


def test_sums_of_clips_are_per_frame_with_a_distance_of_each_frame():
    x, y = pair(shape=(2, 3, 5, 8, 6))
    frames = [c.movedim(2, 1).flatten(0, 1) for c in (x, y)]
    each = (x - y).abs().movedim(2, 1).flatten(0, 1) + Distance()(*frames).view(-1, 1, 1, 1)
    loss = ReconstructionLoss("l1", Distance(), reduction="sum", frames="every")
    assert_close(total(loss, x, y), each.sum() / 10)


def test_a_random_frame_leaves_the_pixel_error_that_of_all_frames():
    x, y = pair(shape=(2, 3, 5, 8, 6))
    loss = ReconstructionLoss("l1", Distance(), 4.0, pixel_weight=4.0, frames="random")
    torch.manual_seed(0)
    terms = loss(x, y)
    torch.manual_seed(0)
    times = torch.randint(5, (2,))
    chosen = [c[torch.arange(2), :, times] for c in (x, y)]
    assert_close(terms["pixel"], 4 * (x - y).abs().mean())
    assert_close(terms["perceptual"], 4 * Distance()(*chosen).mean())


def test_pixels_and_perception_have_weights_of_their_own():
    x, y = torch.zeros(2, 3, 4, 4), torch.ones(2, 3, 4, 4)
    loss = ReconstructionLoss("l2", Distance(), 0.5, pixel_weight=5.0)
    assert {name: term.item() for name, term in loss(x, y).items()} == {
        "pixel": 5.0,
        "perceptual": 0.5,
    }


def test_bernoulli_equals_the_cross_entropy_of_probabilities():
    x, y = pair()
    expected = nn.functional.binary_cross_entropy((y + 1) / 2, (x + 1) / 2, reduction="sum") / 4
    assert_close(total(ReconstructionLoss("bernoulli", reduction="sum"), x, y), expected)


def test_the_gradient_of_bernoulli_in_the_logit_is_probability_minus_pixel():
    x = torch.tensor([-1.0, 1.0, 0.5]).repeat(7, 1)
    logit = torch.tensor([-9.0, -2.0, 0.0, 1.0, 3.0, 6.0, 9.0])[:, None].expand(7, 3).clone()
    logit.requires_grad_()
    bernoulli(x, torch.tanh(logit / 2)).sum().backward()
    assert_close(logit.grad, logit.sigmoid().detach() - (x + 1) / 2, atol=2e-5, rtol=1e-3)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_bernoulli_is_finite_for_probabilities_zero_and_one(dtype):
    x, y = torch.tensor([-1.0, -1, 1, 1]), torch.tensor([-1, 1, -1, 1], dtype=dtype)
    nats = bernoulli(x, y)
    assert nats.isfinite().all()
    assert_close(nats[[0, 3]], torch.zeros(2).to(nats), atol=1e-7, rtol=0)
    assert (nats[1:3] > 17).all()


@pytest.mark.parametrize("pixel", ["l1", "l2", "bernoulli"])
@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    shape=st.lists(st.integers(1, 5), min_size=2, max_size=5),
    weight=st.floats(0, 10),
)
def test_sum_is_mean_times_the_number_of_elements_of_a_sample(pixel, seed, shape, weight):
    x, y = pair(seed, shape)
    mean = ReconstructionLoss(pixel, Distance(), weight)(x, y)
    summed = ReconstructionLoss(pixel, Distance(), weight, "sum")(x, y)
    for name in ("pixel", "perceptual"):
        assert_close(summed[name], x[0].numel() * mean[name])


@settings(max_examples=20, deadline=None)
@given(offset=st.floats(-2, 2))
def test_losses_of_a_constant_offset_have_closed_forms(offset):
    x, _ = pair()
    assert_close(total(ReconstructionLoss("l1"), x, x + offset).item(), abs(offset))
    assert_close(total(ReconstructionLoss("l2"), x, x + offset).item(), offset**2)


def test_gradient_descent_moves_the_reconstruction_to_the_data():
    x, y = pair()
    y.requires_grad_()
    total(ReconstructionLoss("l2", reduction="sum"), x, y).backward()
    assert_close(y.grad, 2 * (y - x).detach() / 4)


def test_half_precision_reconstructions_are_compared_in_the_precision_of_the_data():
    x, y = torch.full((1, 1, 64, 64), 1e-3), torch.zeros(1, 1, 64, 64, dtype=torch.bfloat16)
    loss = ReconstructionLoss("l1", reduction="sum")(x, y)["pixel"]
    assert_close(loss, torch.tensor(4.096))


def test_unknown_names_and_unequal_shapes_are_refused():
    with pytest.raises(ValueError, match="'huber': choose one of l1, l2"):
        ReconstructionLoss("huber")
    with pytest.raises(ValueError, match="'none': choose one of mean, sum"):
        ReconstructionLoss("l1", reduction="none")


def test_a_reconstruction_that_would_broadcast_is_refused():
    with pytest.raises(ValueError, match=r"\(2, 3, 4, 4\), got \(2, 1, 4, 4\)"):
        ReconstructionLoss("l1")(torch.zeros(2, 3, 4, 4), torch.zeros(2, 1, 4, 4))
