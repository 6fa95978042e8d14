"""CMMD against its closed forms, and a direct double sum."""

import pytest
import torch

from eval.metrics.cmmd import CMMD, cmmd


def directions(n, seed, dim=6):
    generator = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(n, dim, generator=generator), dim=1)


@pytest.mark.parametrize(("y", "expected"), [([0.0, 1.0], 19.9003325), ([-1.0, 0.0], 39.6027)])
def test_point_masses_at_unit_vectors_have_their_closed_forms(y, expected):
    x, y = torch.tensor([[1.0, 0.0]] * 2), torch.tensor([y] * 3)
    assert cmmd(x, y).item() == pytest.approx(expected, abs=1e-4)


def test_it_is_the_double_sum_with_the_diagonal():
    x, y = directions(5, 0).double(), directions(4, 1).double()

    def mean(a, b):
        return torch.stack([(-(p - q).square().sum() / 200).exp() for p in a for q in b]).mean()

    expected = 1000 * (mean(x, x) + mean(y, y) - 2 * mean(x, y))
    assert cmmd(x, y).item() == pytest.approx(expected.item(), rel=1e-9)
    assert cmmd(x, x).item() == pytest.approx(0, abs=1e-9)


def test_ranks_add_up():
    x, y = directions(9, 2), directions(7, 3)
    metric, other = CMMD(), CMMD()
    for rank, one in enumerate((metric, other)):
        one.update(x[rank::2], real=True)
        one.update(y[rank::2], real=False)
    other.merge_state(metric)
    assert other.compute().item() == pytest.approx(cmmd(x, y).item(), abs=1e-9)
