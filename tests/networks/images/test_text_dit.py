"""A DiT that reads texts: what counts of them, and what a new network does."""

import pytest
import torch
from torch import nn

from ldm.networks.images.text_dit import TextDiT


def small(**changes) -> TextDiT:
    """A double-precision network with random weights, since a new one is the identity."""
    torch.manual_seed(0)
    shape = {"shape": [3, 8, 8], "width": 32, "depth": 2, "heads": 4, "text_shape": [5, 6]}
    dit = TextDiT(**shape | changes).double()
    for parameter in dit.parameters():
        if parameter.requires_grad:
            nn.init.normal_(parameter, std=0.2)
    return dit


def inputs(n: int = 3) -> tuple[torch.Tensor, ...]:
    x = torch.randn(n, 3, 8, 8, dtype=torch.float64)
    return x, torch.rand(n, dtype=torch.float64), torch.randn(n, 5, 6, dtype=torch.float64)


def test_a_new_network_gives_zero_and_its_blocks_the_identity():
    dit = TextDiT([3, 8, 8], width=32, depth=2, heads=4, text_shape=[5, 6]).double()
    x, t, text = inputs()
    assert not dit(x, t, text).any()
    tokens, told = torch.randn(3, 16, 32).double(), torch.randn(3, 5, 32).double()
    assert torch.equal(dit.blocks[0](tokens, tokens[:, 0], told), tokens)


def test_tokens_outside_of_the_mask_have_no_influence_and_those_inside_do():
    dit, (x, t, text) = small(), inputs()
    mask = torch.tensor([[1, 1, 1, 0, 0], [1, 0, 0, 0, 0], [1, 1, 1, 1, 1]]).bool()
    first = dit(x, t, text, mask)
    other = torch.where(mask[..., None], text, torch.randn_like(text))
    assert torch.allclose(dit(x, t, other, mask), first, atol=1e-12)
    cut = dit(x[:1], t[:1], text[:1, :3])
    assert torch.allclose(cut, first[:1], atol=1e-12)  # a shorter text is a masked one
    assert (dit(x, t, text.roll(1, 0), mask) - first).flatten(1).abs().amax(1).min() > 1e-3


def test_the_order_of_an_encoders_tokens_does_not_matter():
    # Their places are in the states that an encoder makes of them.
    dit, (x, t, text) = small(), inputs()
    assert torch.allclose(dit(x, t, text.flip(1)), dit(x, t, text), atol=1e-12)


def test_recomputed_activations_have_the_same_gradients():
    dit, (x, t, text) = small(), inputs()
    found = []
    for dit.checkpointing in (False, True):
        dit(x, t, text).square().sum().backward()
        found.append(torch.cat([p.grad.flatten() for p in dit.parameters() if p.grad is not None]))
        dit.zero_grad()
    assert torch.allclose(*found, atol=1e-12)


def test_a_vector_of_the_text_is_read_where_it_is_declared_and_refused_elsewhere():
    x, t, text = inputs()
    pooled = torch.randn(3, 4, dtype=torch.float64)
    dit = small(text_pooled_shape=[4])
    assert not torch.allclose(dit(x, t, text, None, pooled), dit(x, t, text, None, -pooled))
    for network, given in ((dit, None), (small(), pooled)):
        with pytest.raises(ValueError, match=r"set conditioning\.text\.pooled"):
            network(x, t, text, None, given)
