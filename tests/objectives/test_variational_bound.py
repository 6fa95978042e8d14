"""The bound against exact likelihoods, EDM's training loss term by term, and discrete features."""

import math

import pytest
import torch
from scipy.stats import norm
from torch.testing import assert_close

from ldm.objectives import AtomFeatures, VariationalBound
from ldm.processes import GaussianDiffusion, LinearFlow
from ldm.spaces import Flat, PointSet

MASK = torch.arange(4) < torch.tensor([4, 2, 3])[:, None]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def diffusion(space, steps: int = 1001) -> GaussianDiffusion:
    return GaussianDiffusion(space, "polynomial_2", steps)


def of_normal_data(process):
    """The exact prediction of the noise in a standard normal distribution: sigma z."""

    def predict(noisy, t, **condition):
        return process.alpha_sigma(t)[1].view(-1, *[1] * (noisy.ndim - 1)) * noisy

    return predict


@pytest.mark.parametrize("masked", [False, True])
def test_with_the_exact_network_the_bound_is_the_entropy_of_normal_data(masked):
    n = 20_000
    space, dims = Flat([2]), torch.full((n,), 2)
    context = {}
    if masked:
        context = {"mask": MASK[:2].repeat(n // 2, 1)}
        space = PointSet(4, 3, 1)
        dims = space.on(context).directions
    process = diffusion(space).on(context)
    latent = process.space.random(n, generator())
    objective = VariationalBound()
    expected = dims * (1 + math.log(2 * math.pi)) / 2
    for find in (objective.bound, objective.loss):
        found = find(of_normal_data(process), process, latent, context, generator(1))
        for rows in (dims == dims.max(), dims == dims.min()):
            error = found[rows].std() / math.sqrt(rows.sum())
            assert (found[rows].mean() - expected[rows].mean()).abs() < 4 * error + 0.02


def test_the_training_loss_is_that_of_edm():
    context = {"mask": MASK}
    process = diffusion(PointSet(4, 3, 2)).on(context)
    latent = process.space.random(3, generator())

    def loss(times, **options):
        process.random_times = lambda n, generator, device: torch.tensor(times)
        return VariationalBound("l2", **options).loss(
            lambda noisy, t, **_: torch.zeros_like(noisy), process, latent, context, generator(1)
        )

    eps = process.space.random(3, generator(1))
    squares = eps.square().sum((1, 2))
    later = [3, 500, 1000]
    assert_close(loss(later), squares / 2 / (5 * MASK.sum(1)))
    assert_close(loss(later, padded=True), squares / 2 / (5 * 4))
    assert_close(loss([0, 0, 0]), squares / 2 / (5 * MASK.sum(1)))
    discrete = AtomFeatures(1, [1.0] * 5)
    found = loss([0, 500, 0], discrete=discrete)
    noisy = process.mix(latent, eps, torch.zeros(3).long())
    sigma = torch.full((3,), 1e-5**0.5)
    told = discrete.log_prob(latent, noisy, sigma, context)
    positions = eps[..., :3].square().sum((1, 2)) / 2
    positions = positions / (5 * MASK.sum(1))
    assert_close(found[[0, 2]], (positions - told)[[0, 2]])
    assert_close(found[1], squares[1] / 2 / (5 * 2))


def test_classes_and_whole_numbers_have_the_probability_of_rounding_to_them():
    scale = [1.0, 1.0, 1.0, 4.0, 4.0, 10.0]
    latent = torch.tensor([[0.0, 0, 0, 0, 1, 6], [0, 0, 0, 1, 0, 7]]) / torch.tensor(scale)
    noisy = latent + torch.tensor([0.0, 0, 0, 0.1, -0.05, 0.03])
    s = 0.05
    found = AtomFeatures(2, scale).log_prob(latent[None], noisy[None], torch.tensor([s]), {})

    def around(x, width):
        return norm.cdf((x + 0.5) / width) - norm.cdf((x - 0.5) / width) + 1e-10

    expected = 0.0
    for row, right in ((0, 1), (1, 0)):
        classes = [around(4 * noisy[row, 3 + k].item() - 1, 4 * s) for k in (0, 1)]
        expected += math.log(classes[right] / sum(classes))
        expected += math.log(around(10 * (latent - noisy)[row, 5].item(), 10 * s))
    assert found.item() == pytest.approx(expected, rel=1e-4)
    masked = {"mask": torch.tensor([[True, False]])}
    one = AtomFeatures(2, scale).log_prob(latent[None], noisy[None], torch.tensor([s]), masked)
    alone = AtomFeatures(2, scale).log_prob(
        latent[None, :1], noisy[None, :1], torch.tensor([s]), {}
    )
    assert_close(one, alone)


def test_features_that_the_first_noise_hides_are_refused():
    process = diffusion(PointSet(4, 3, 2))  # whose first noise is 0.00316
    VariationalBound(discrete=AtomFeatures(1, [1.0, 1, 1, 4, 10])).check(process)
    with pytest.raises(
        ValueError, match=r"divided by up to 40, .* lower tokenizer\.scale to 39\.5"
    ):
        VariationalBound(discrete=AtomFeatures(1, [1.0, 1, 1, 4, 40])).check(process)


def test_other_weightings_and_processes_without_steps_are_refused():
    with pytest.raises(ValueError, match="choose one of l2, vlb"):
        VariationalBound("l1")
    with pytest.raises(ValueError, match="has no steps"):
        VariationalBound().check(LinearFlow(Flat([2])))
