"""Random choices of codes."""

import pytest
import torch
from torch.testing import assert_close

from ldm.bottlenecks import GroupedSphericalQuantizer
from ldm.bottlenecks.choices import among_equal_rows, by_distance


def test_codes_are_drawn_by_their_softmax_over_distances():
    rows = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]])
    token = torch.tensor([0.4, 0.3])
    tokens = token.expand(4, 5000, 2)
    codes = by_distance(tokens, rows, 0.8, torch.Generator().manual_seed(0))
    shares = codes.flatten().bincount() / codes.numel()
    expected = (-(rows - token).square().sum(1) / 0.8).softmax(0)
    assert_close(shares, expected, atol=0.015, rtol=0)  # four standard deviations


def test_each_sample_draws_from_its_own_generator():
    tokens, rows = torch.randn(2, 7, 3), torch.randn(9, 3)
    both = by_distance(tokens, rows, 5.0, [torch.Generator().manual_seed(k) for k in (1, 2)])
    alone = by_distance(tokens[1:], rows, 5.0, [torch.Generator().manual_seed(2)])
    assert torch.equal(both[1:], alone)


def test_ties_are_drawn_evenly_from_equal_rows_and_others_stay():
    rows = torch.tensor([[1.0], [-1.0], [1.0], [0.5], [1.0]])
    codes = torch.tensor([[0] * 9000 + [1, 3]])
    found = among_equal_rows(codes, rows, torch.Generator().manual_seed(0))[0]
    assert found[-2:].tolist() == [1, 3]
    shares = found[:-2].bincount() / 9000
    assert_close(shares, torch.tensor([1, 0, 1, 0, 1]) / 3, atol=0.02, rtol=0)


@pytest.mark.parametrize("options", [{"random_ties": True}, {"temperature": 0.5}], ids=str)
def test_spherical_codes_are_random_while_training_alone(options):
    torch.manual_seed(0)
    quantizer = GroupedSphericalQuantizer([4, 6, 6], 4, 32, normalize="l2", **options)
    h = torch.randn(2, 4, 6, 6)
    one, other = quantizer(h).codes, quantizer(h).codes
    assert not torch.equal(one, other)
    if "random_ties" in options:  # of one channel, only signs count
        assert torch.equal(quantizer.codebook[one].sign(), quantizer.codebook[other].sign())
    quantizer.eval()
    assert torch.equal(quantizer(h).codes, quantizer(h).codes)
