"""PONITA as a denoiser: what it predicts is in the space, and depends on what it is told."""

import pytest
import torch
from torch.testing import assert_close

from ldm.networks.molecules.orientations import orientations
from ldm.networks.molecules.ponita_denoiser import PONITADenoiser
from ldm.spaces import PointSet

MASK = torch.arange(6) < torch.tensor([6, 2, 5, 1])[:, None]
SPACE = PointSet(6, 3, 2).on({"mask": MASK})


def network() -> PONITADenoiser:
    torch.manual_seed(0)
    sizes = {"width": 8, "depth": 2, "basis": 8, "orientations": 6}
    net = PONITADenoiser([6, 5], **sizes, property_shape=[1], horizon=10).double()
    net.ponita.grid.copy_(orientations(6))
    return net


def inputs() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {
        "noisy": SPACE.random(4, generator, dtype=torch.float64),
        "t": torch.tensor([0, 3, 5, 10]),
        "mask": MASK,
        "property": torch.randn(4, 1, generator=generator, dtype=torch.float64),
    }


def test_what_it_predicts_is_in_the_space_and_turns_by_right_angles_with_the_positions():
    net, given = network(), inputs()
    found = net(**given)
    SPACE.check(found)
    assert found[:3].flatten(1).norm(dim=1).min() > 1e-3
    quarter = torch.tensor([[0.0, 1, 0], [-1, 0, 0], [0, 0, 1]]).double()
    turn = torch.block_diag(quarter, torch.eye(2).double())
    turned = net(**{**given, "noisy": given["noisy"] @ turn})
    assert_close(turned, found @ turn, atol=1e-12, rtol=0)


def test_it_reads_the_time_and_the_property_of_each_sample():
    net, given = network(), inputs()
    found = net(**given)
    for key in ("t", "property"):
        other = net(**{**given, key: given[key] + 1})
        assert ((other - found).flatten(1).norm(dim=1) > 1e-6).all()


def test_every_parameter_gets_a_gradient_and_the_meta_device_a_shape():
    net, given = network(), inputs()
    net(**given).square().sum().backward()
    assert all(p.grad.abs().max() > 0 for p in net.parameters())
    net.train().to("meta")
    assert net(**{key: value.to("meta") for key, value in given.items()}).shape == (4, 6, 5)


def test_autocast_leaves_positions_in_single_precision():
    net, given = network().float(), inputs()
    given |= {key: given[key].float() for key in ("noisy", "property")}
    given["noisy"][..., :3] *= 3
    expected = net(**given)
    with torch.autocast("cpu", torch.bfloat16):
        found = net(**given)
    assert found.dtype == torch.float32
    assert (found - expected).norm() < 0.05 * expected.norm()


def test_points_in_the_plane_are_refused():
    with pytest.raises(ValueError, match="three coordinates"):
        PONITADenoiser([6, 2])
