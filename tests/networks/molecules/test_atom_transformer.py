"""The transformer over atoms: masks, orders, what it is told, and its start."""

import pytest
import torch
from torch.testing import assert_close

from ldm.networks.molecules.atom_transformer import AtomTransformer

MASK = torch.arange(6) < torch.tensor([6, 2, 5, 1])[:, None]


def network(zero: bool = False) -> AtomTransformer:
    torch.manual_seed(0)
    net = AtomTransformer([6, 5], width=16, depth=2, heads=4, property_shape=[1]).double()
    for parameter in [] if zero else net.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return net


def inputs() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    noisy = torch.randn(4, 6, 5, generator=generator, dtype=torch.float64)
    told = torch.randn(4, 1, generator=generator, dtype=torch.float64)
    return {"noisy": noisy, "t": torch.rand(4), "mask": MASK, "property": told}


def test_it_begins_as_zero():
    assert not network(zero=True)(**inputs()).any()


def test_points_in_another_order_come_out_in_that_order():
    net, given = network(), inputs()
    order = torch.randperm(6, generator=torch.Generator().manual_seed(1))
    exchanged = given | {"noisy": given["noisy"][:, order], "mask": MASK[:, order]}
    assert_close(net(**exchanged), net(**given)[:, order], atol=1e-12, rtol=0)


def test_padding_and_other_sets_have_no_influence():
    net, given = network(), inputs()
    whole = net(**given)
    assert not whole[~MASK].any()
    junk = torch.where(MASK[..., None], given["noisy"], 100.0)
    assert_close(net(**{**given, "noisy": junk}), whole, atol=1e-12, rtol=0)
    for row, size in enumerate(MASK.sum(1).tolist()):
        alone = {key: value[row : row + 1] for key, value in given.items()}
        alone |= {key: alone[key][:, :size] for key in ("noisy", "mask")}
        assert_close(net(**alone)[0], whole[row, :size], atol=1e-12, rtol=0)


def test_a_set_without_points_is_zeros():
    given = inputs()
    given["mask"] = given["mask"].clone()
    given["mask"][1] = False
    found = network()(**given)
    assert found.isfinite().all()
    assert not found[1].any()


def test_it_reads_the_time_and_the_property_of_each_sample():
    net, given = network(), inputs()
    found = net(**given)
    for key in ("t", "property"):
        other = net(**{**given, key: given[key] + 0.1})
        assert ((other - found).flatten(1).norm(dim=1) > 1e-6).all()
    with pytest.raises(ValueError, match="built for 1 properties"):
        net(**{**given, "property": None})


def test_recomputed_activations_give_the_same_gradients_to_every_parameter():
    gradients = []
    for checkpointing in (False, True):
        net = network()
        net.checkpointing = checkpointing
        net(**inputs()).square().sum().backward()
        gradients.append([p.grad for p in net.parameters()])
    for one, other in zip(*gradients, strict=True):
        assert one.abs().max() > 0
        assert_close(one, other)


def test_heads_that_do_not_share_the_width_are_refused():
    with pytest.raises(ValueError, match="multiple of the heads"):
        AtomTransformer([6, 5], width=10, heads=4)
