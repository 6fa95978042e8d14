"""Edges as networks read them."""

import torch
from torch.testing import assert_close

from ldm.networks.graphs.edges import latent_edges, paths_of_two, symmetric


def test_paths_of_two_are_normalised_and_leave_the_diagonal_out():
    star = torch.tensor([[0.0, 1, 1], [1, 0, 0], [1, 0, 0]])[None]
    edges, two = paths_of_two(star).unbind(3)
    assert_close(edges, star)
    assert_close(two[0, 1:, 1:], (1 - torch.eye(2)) / 2**0.5)
    assert not two[0, 0].any()
    assert not two[0].diagonal().any()
    pair = torch.tensor([[0.0, 1], [1, 0]])[None]
    assert not paths_of_two(pair)[..., 1].any()


def test_latent_edges_are_symmetric_without_loops_and_padding():
    z = torch.randn(2, 4, 6, generator=torch.Generator().manual_seed(0))
    mask = torch.tensor([[True] * 4, [True, True, False, False]])
    edges = latent_edges(z, mask)
    assert_close(edges, edges.mT)
    assert_close(edges[0, 1, 2], (z[0, 1] @ z[0, 2]).sigmoid())
    assert not edges.diagonal(dim1=1, dim2=2).any()
    assert not edges[1, 2:].any()
    both = symmetric(torch.arange(8.0).view(1, 2, 2, 2))
    assert_close(both[0, 0, 1], torch.tensor([3.0, 4.0]))
