"""Initial codebooks, their usage, and straight-through gradients."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from ldm.bottlenecks.codebook import fill_codebook, join, snap, split, usage


@pytest.mark.parametrize(("init", "limit"), [("uniform", 1 / 4096), ("symmetric", 1.0)])
def test_uniform_starts_fill_their_interval(init, limit):
    codebook = torch.empty(4096, 3)
    fill_codebook(codebook, init)
    assert 0.99 * limit < codebook.abs().max() <= limit
    torch.testing.assert_close(codebook.std().item(), limit / 3**0.5, rtol=0.05, atol=0)


@pytest.mark.parametrize("d", [1, 2, 5])
def test_spherical_starts_have_unit_rows_in_every_direction(d):
    codebook = torch.empty(4096, d)
    fill_codebook(codebook, "sphere")
    torch.testing.assert_close(codebook.norm(dim=1), torch.ones(4096), rtol=0, atol=1e-6)
    assert codebook.mean(0).norm() < 5 / 4096**0.5


@given(codes=st.integers(1, 50), repeats=st.integers(1, 4), spare=st.integers(0, 50))
def test_usage_of_codes_that_occur_equally_often(codes, repeats, spare):
    stats = usage(torch.arange(codes).repeat(repeats), codes + spare)
    torch.testing.assert_close(stats["usage"].item(), codes / (codes + spare))
    torch.testing.assert_close(stats["perplexity"].item(), float(codes), rtol=1e-5, atol=0)


@given(
    groups=st.integers(1, 4), width=st.integers(1, 3), grid=st.lists(st.integers(1, 3), max_size=3)
)
def test_groups_are_the_outer_part_of_the_channels(groups, width, grid):
    h = torch.randn(2, groups * width, *grid)
    rows = split(h, groups)
    assert rows.shape == (2, *grid, groups, width)
    assert torch.equal(rows[..., -1, 0], h[:, (groups - 1) * width])
    assert torch.equal(join(rows), h)


def test_straight_through_keeps_the_values_bit_for_bit_and_passes_the_gradient_on():
    u, q = torch.randn(100, requires_grad=True), 1e-4 * torch.randn(100)
    weight = torch.randn(100)
    out = snap(u, q)
    (out * weight).sum().backward()
    assert torch.equal(out, q)
    assert torch.equal(u.grad, weight)


def rotation_of(u, q):
    """The matrix that rotates and scales `u` into `q`, in the plane of both."""
    one, other = u / u.norm(), q / q.norm()
    cosine = one @ other
    across = (other - cosine * one) / (other - cosine * one).norm()
    plane = torch.stack([one, across])
    sine = (1 - cosine**2).sqrt()
    turn = torch.stack([torch.stack([cosine, -sine]), torch.stack([sine, cosine])])
    return (torch.eye(len(u)).double() + plane.T @ (turn - torch.eye(2)) @ plane) * (
        q.norm() / u.norm()
    )


def test_the_rotation_passes_gradients_as_its_matrix_does():
    u, q, weight = torch.randn(3, 5, 4, dtype=torch.float64).unbind(0)
    u = u.requires_grad_()
    snapped = snap(u, q, rotation=True)
    assert torch.equal(snapped, q)
    (snapped * weight).sum().backward()
    expected = [rotation_of(a, b).T @ w for a, b, w in zip(u.detach(), q, weight, strict=True)]
    torch.testing.assert_close(u.grad, torch.stack(expected))


def test_the_gradient_at_zero_is_passed_straight():
    u = torch.zeros(2, 3, requires_grad=True)
    snap(u, torch.randn(2, 3), rotation=True).sum().backward()
    assert torch.equal(u.grad, torch.ones(2, 3))
