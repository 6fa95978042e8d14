"""The transformer that reads distances: symmetries, masks, what it is told, and its start."""

import pytest
import torch
from torch.testing import assert_close

from ldm.networks.molecules.distance_transformer import DistanceTransformer
from ldm.spaces import PointSet

MASK = torch.arange(6) < torch.tensor([6, 2, 5, 1])[:, None]


def network(zero: bool = False) -> DistanceTransformer:
    torch.manual_seed(0)
    net = DistanceTransformer([6, 5], 16, 2, heads=4, property_shape=[1], waves=4).double()
    for parameter in [] if zero else net.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return net


def inputs() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    space = PointSet(6, 3, 2).on({"mask": MASK})
    noisy = space.random(4, generator, dtype=torch.float64)
    told = torch.randn(4, 1, generator=generator, dtype=torch.float64)
    return {"noisy": noisy, "t": torch.rand(4), "mask": MASK, "property": told}


def test_it_begins_as_zero():
    assert not network(zero=True)(**inputs()).any()


def test_what_it_predicts_turns_with_the_positions_and_is_in_the_space():
    net, given = network(), inputs()
    found = net(**given)
    assert found[:3, :2, :3].abs().min() > 1e-4
    PointSet(6, 3, 2).on({"mask": MASK}).check(found)
    q = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(1)).double())[0]
    turn = torch.block_diag(q, torch.eye(2).double())
    turned = net(**given | {"noisy": given["noisy"] @ turn})
    assert_close(turned, found @ turn, atol=1e-12, rtol=0)
    moved = given["noisy"] + MASK[..., None] * torch.tensor([3.0, -1, 2, 0, 0])
    assert_close(net(**given | {"noisy": moved}), found, atol=1e-12, rtol=0)


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
    assert_close(net(**given | {"noisy": junk}), whole, atol=1e-12, rtol=0)
    for row, size in enumerate(MASK.sum(1).tolist()):
        alone = {key: value[row : row + 1] for key, value in given.items()}
        alone |= {"noisy": alone["noisy"][:, :size], "mask": None}
        assert_close(net(**alone)[0], whole[row, :size], atol=1e-12, rtol=0)


def test_a_set_without_points_is_zeros():
    given = inputs()
    given["mask"] = given["mask"].clone()
    given["mask"][1] = False
    found = network()(**given)
    assert found.isfinite().all()
    assert not found[1].any()


def test_points_at_one_place_have_finite_gradients():
    net, given = network(), inputs()
    noisy = torch.zeros_like(given["noisy"]).requires_grad_()
    net(**given | {"noisy": noisy}).square().sum().backward()
    assert noisy.grad.isfinite().all()
    assert all(parameter.grad.isfinite().all() for parameter in net.parameters())


def test_it_reads_the_time_and_the_property_of_each_sample():
    net, given = network(), inputs()
    found = net(**given)
    for key in ("t", "property"):
        other = net(**given | {key: given[key] + 0.1})
        assert ((other - found).flatten(1).norm(dim=1) > 1e-6).all()
    with pytest.raises(ValueError, match="built for 1 properties"):
        net(**given | {"property": None})


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


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 10, "heads": 4}, "multiple of the heads"),
        ({"shape": [6, 2]}, "three coordinates"),
        ({"waves": 0}, "and 0 waves"),
    ],
)
def test_sizes_of_which_no_network_can_be_built_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        DistanceTransformer(**{"shape": [6, 5]} | options)
