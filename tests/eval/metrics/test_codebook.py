"""Usage and perplexity of codebooks for uniform, single and uneven counts, pooled and per group."""

import math

import pytest
import torch

from eval.metrics.codebook import CodebookUsage, codebook_usage, perplexity


def score(codes: torch.Tensor, size: int) -> dict[str, float]:
    metric = CodebookUsage(size, codes.shape[-1])
    metric.update(codes)
    return {name: value.item() for name, value in metric.compute().items()}


def test_perplexity_is_the_codebook_size_for_uniform_counts_and_one_for_a_single_code():
    even = score(torch.arange(16).reshape(1, 4, 4, 1), 16)
    assert even == pytest.approx(dict.fromkeys(("perplexity", "group_perplexity"), 16) |
                                 dict.fromkeys(("usage", "group_usage"), 1))  # fmt: skip
    assert score(torch.full((2, 9, 1), 3), 16)["perplexity"] == pytest.approx(1)


def test_usage_and_perplexity_are_pooled_over_groups_and_per_group():
    # Of 8 codes, one group uses codes 0 and 1 equally often, the other only code 2.
    codes = torch.tensor([[0, 2], [1, 2], [0, 2], [1, 2]])[None]
    scores = score(codes, 8)
    assert scores["usage"] == pytest.approx(3 / 8)
    assert scores["group_usage"] == pytest.approx(2 / 8 * 1 / 8)
    assert scores["perplexity"] == pytest.approx(math.exp(0.5 * math.log(4) + 0.5 * math.log(2)))
    assert scores["group_perplexity"] == pytest.approx(1.5)


def test_perplexity_is_the_exponential_of_the_entropy_for_geometric_counts():
    counts = 2 ** torch.arange(20, -1, -1)
    p = counts / counts.sum()
    assert perplexity(counts).item() == pytest.approx(math.exp(-(p * p.log()).sum()), rel=1e-5)


def test_batches_and_ranks_add_their_counts():
    codes = torch.randint(0, 10, (6, 4, 4, 3), generator=torch.Generator().manual_seed(0))
    metric, other = CodebookUsage(10, 3), CodebookUsage(10, 3)
    for part in codes[:4]:
        metric.update(part[None].int())
    other.update(codes[4:])
    metric.merge_state(other)
    expected = torch.stack([codes[..., g].flatten().bincount(minlength=10) for g in range(3)])
    torch.testing.assert_close(metric.counts, expected)
    assert metric.compute() == codebook_usage(expected)


def test_invalid_codes_are_refused_with_the_found_values():
    metric = CodebookUsage(8, 2)
    with pytest.raises(ValueError, match="codes 0 to 7, got 0 to 8"):
        metric.update(torch.tensor([[0, 8]]))
    with pytest.raises(ValueError, match="expected 2 groups on the last axis, got 3"):
        metric.update(torch.zeros(1, 4, 3, dtype=torch.long))
    with pytest.raises(ValueError, match="no codes were counted"):
        metric.compute()
