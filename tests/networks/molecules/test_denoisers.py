"""Laws of every denoiser of atoms: masks, orders, symmetries, what it is told, and memory."""

import pytest
import torch
from torch.testing import assert_close

from ldm.networks.molecules.atom_transformer import AtomTransformer
from ldm.networks.molecules.distance_transformer import DistanceTransformer
from ldm.networks.molecules.egnn_denoiser import EGNNDenoiser
from ldm.networks.molecules.orientations import orientations
from ldm.networks.molecules.ponita_denoiser import PONITADenoiser
from ldm.spaces import PointSet

MASK = torch.arange(6) < torch.tensor([6, 2, 5, 1])[:, None]
SPACE = PointSet(6, 3, 2).on({"mask": MASK})
QUARTER = torch.tensor([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]]).double()
ANY = torch.linalg.qr(torch.randn(3, 3, generator=torch.Generator().manual_seed(1)).double())[0]
OPTIONS = {
    AtomTransformer: {"width": 16, "depth": 2, "heads": 4},
    DistanceTransformer: {"width": 16, "depth": 2, "heads": 4, "waves": 4},
    EGNNDenoiser: {"width": 16, "depth": 2},
    PONITADenoiser: {"width": 8, "depth": 2, "basis": 8, "orientations": 6},
}
TURNS = {DistanceTransformer: ANY, EGNNDenoiser: ANY, PONITADenoiser: QUARTER}


def network(kind: type, zero: bool = False) -> torch.nn.Module:
    torch.manual_seed(0)
    net = kind([6, 5], **OPTIONS[kind], property_shape=[1]).double()
    if kind is PONITADenoiser:  # six directions which quarter turns exchange
        net.ponita.grid.copy_(orientations(6))
    elif kind is EGNNDenoiser:  # moves are small at initialisation
        for block in net.egnn.blocks:
            torch.nn.init.xavier_uniform_(block.coord_mlp[-1].weight, gain=0.1)
    elif not zero:
        for parameter in net.parameters():
            torch.nn.init.normal_(parameter, std=0.2)
    return net


def inputs() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    noisy = SPACE.random(4, generator, dtype=torch.float64)
    told = torch.randn(4, 1, generator=generator, dtype=torch.float64)
    return {"noisy": noisy, "t": torch.rand(4), "mask": MASK, "property": told}


@pytest.mark.parametrize("kind", [AtomTransformer, DistanceTransformer])
def test_transformers_begin_as_zero(kind):
    assert not network(kind, zero=True)(**inputs()).any()


@pytest.mark.parametrize("kind", TURNS)
def test_what_it_predicts_turns_with_the_positions_and_is_in_the_space(kind):
    net, given = network(kind), inputs()
    found = net(**given)
    assert found[:3, :2, :3].abs().min() > 1e-5
    SPACE.check(found)
    turn = torch.block_diag(TURNS[kind], torch.eye(2).double())
    turned = net(**given | {"noisy": given["noisy"] @ turn})
    assert_close(turned, found @ turn, atol=1e-12, rtol=0)
    moved = given["noisy"] + MASK[..., None] * torch.tensor([3.0, -1, 2, 0, 0])
    assert_close(net(**given | {"noisy": moved}), found, atol=1e-12, rtol=0)


@pytest.mark.parametrize("kind", OPTIONS)
def test_points_in_another_order_come_out_in_that_order(kind):
    net, given = network(kind), inputs()
    order = torch.randperm(6, generator=torch.Generator().manual_seed(1))
    exchanged = given | {"noisy": given["noisy"][:, order], "mask": MASK[:, order]}
    assert_close(net(**exchanged), net(**given)[:, order], atol=1e-12, rtol=0)


@pytest.mark.parametrize("kind", OPTIONS)
def test_padding_and_other_sets_have_no_influence(kind):
    net, given = network(kind), inputs()
    whole = net(**given)
    assert not whole[~MASK].any()
    junk = torch.where(MASK[..., None], given["noisy"], 100.0)
    assert_close(net(**given | {"noisy": junk}), whole, atol=1e-12, rtol=0)
    for row, size in enumerate(MASK.sum(1).tolist()):
        alone = {key: value[row : row + 1] for key, value in given.items()}
        alone |= {"noisy": alone["noisy"][:, :size], "mask": None}
        assert_close(net(**alone)[0], whole[row, :size], atol=1e-12, rtol=0)


@pytest.mark.parametrize("kind", OPTIONS)
def test_a_set_without_points_is_zeros(kind):
    given = inputs()
    given["mask"] = given["mask"].clone()
    given["mask"][1] = False
    found = network(kind)(**given)
    assert found.isfinite().all()
    assert not found[1].any()


@pytest.mark.parametrize("kind", OPTIONS)
def test_points_at_one_place_have_finite_gradients(kind):
    net, given = network(kind), inputs()
    noisy = torch.zeros_like(given["noisy"]).requires_grad_()
    net(**given | {"noisy": noisy}).square().sum().backward()
    assert noisy.grad.isfinite().all()
    assert all(parameter.grad.isfinite().all() for parameter in net.parameters())


@pytest.mark.parametrize("kind", OPTIONS)
def test_it_reads_the_time_and_the_property_of_each_sample(kind):
    net, given = network(kind), inputs()
    found = net(**given)
    for key in ("t", "property"):
        other = net(**given | {key: given[key] + 0.1})
        assert ((other - found).flatten(1).norm(dim=1) > 1e-6).all()


@pytest.mark.parametrize("kind", OPTIONS)
@pytest.mark.parametrize("told", [None, torch.zeros(4, 2)])
def test_another_number_of_properties_is_refused(kind, told):
    with pytest.raises(ValueError, match="built for 1 properties"):
        network(kind)(**inputs() | {"property": told})


@pytest.mark.parametrize("kind", OPTIONS)
def test_recomputed_activations_give_the_same_gradients_to_every_parameter(kind):
    gradients = []
    for checkpointing in (False, True):
        net = network(kind)
        parts = [part for part in net.modules() if hasattr(part, "checkpointing")]
        assert len(parts) == 1
        parts[0].checkpointing = checkpointing
        net(**inputs()).square().sum().backward()
        gradients.append([p.grad for p in net.parameters()])
    for one, other in zip(*gradients, strict=True):
        assert one.abs().max() > 0
        assert_close(one, other)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        (AtomTransformer, {"width": 10, "heads": 4}, "multiple of the heads"),
        (DistanceTransformer, {"width": 10, "heads": 4}, "multiple of the heads"),
        (DistanceTransformer, {"shape": [6, 2]}, "three coordinates"),
        (DistanceTransformer, {"waves": 0}, "and 0 waves"),
        (PONITADenoiser, {"shape": [6, 2]}, "three coordinates"),
    ],
)
def test_sizes_of_which_no_network_can_be_built_are_refused(kind, options, message):
    with pytest.raises(ValueError, match=message):
        kind(**{"shape": [6, 5]} | options)
