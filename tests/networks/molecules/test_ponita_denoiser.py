"""PONITA as a denoiser: gradients, shapes, and what autocast leaves alone."""

import torch

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
