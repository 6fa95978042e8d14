"""Entropies of bits, against the sum over all codes."""

from itertools import product

import pytest
import torch
from torch.testing import assert_close

from ldm.bottlenecks.code_entropy import code_entropy, token_entropy


def logits(tokens: int = 6, bits: int = 5) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return 2 * torch.randn(tokens, bits, generator=generator, dtype=torch.float64)


def table(values: torch.Tensor) -> torch.Tensor:
    """Probability of each code of each token, one by one."""
    ones = values.sigmoid()
    codes = [torch.tensor(bits, dtype=torch.bool) for bits in product([0, 1], repeat=ones.shape[1])]
    return torch.stack([torch.where(bits, ones, 1 - ones).prod(1) for bits in codes], dim=1)


def test_a_tokens_entropy_is_that_of_its_distribution_over_codes():
    each = torch.special.entr(table(logits())).sum(1)
    assert_close(token_entropy(logits()), each.mean())


@pytest.mark.parametrize("bits", [1, 2, 5])
def test_the_entropy_of_codes_is_that_of_the_mean_distribution(bits):
    values = logits(bits=bits).requires_grad_()
    found, expected = code_entropy(values, bits), torch.special.entr(table(values).mean(0)).sum()
    assert_close(found, expected)
    one, other = (torch.autograd.grad(x, values)[0] for x in (found, expected))
    assert_close(one, other)


def test_the_entropies_of_groups_are_added_and_bound_the_whole_from_above():
    values = logits(bits=4)
    parts = sum(code_entropy(part, 2) for part in values.split(2, dim=1))
    assert_close(code_entropy(values, 2), parts)
    assert code_entropy(values, 4) < code_entropy(values, 2) < code_entropy(values, 1)


def test_certain_tokens_have_no_entropy_and_all_codes_alike_the_most():
    corners = 800 * (torch.tensor(list(product([0, 1], repeat=4))).double() - 0.5)
    assert token_entropy(corners) < 1e-100
    assert_close(code_entropy(corners, 4), 4 * torch.tensor(2.0).double().log())


def test_codes_of_no_probability_have_a_finite_gradient():
    values = torch.tensor([[2000.0, 2000.0], [2000.0, 1.0]], requires_grad=True)
    code_entropy(values, 2).backward()  # codes whose first bit is 0 have probability 0 in float32
    assert values.grad.isfinite().all()
    assert values.grad[1, 1] != 0
