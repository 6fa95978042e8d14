"""The U-Net of three planes: sizes, its zero start, and what reaches a plane from the others."""

import pytest
import torch
from torch import nn

from ldm.networks.videos.triplane import TriplaneUNet
from ldm.networks.videos.triplane.planes import Planes

SMALL = {"width": 32, "multipliers": [1, 2], "blocks": 1, "attention": [1], "heads": 2}


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def small(grid=(2, 4, 4), **options):
    net = TriplaneUNet([3, Planes(*grid).length], grid, **{**SMALL, **options})
    return net.eval()


def randomised(net):
    """The network with weights as after training, none of them zero."""
    torch.manual_seed(0)
    for parameter in net.parameters():
        nn.init.normal_(parameter, std=0.1)
    return net


def read(net, **told):
    torch.manual_seed(1)
    x = torch.randn(2, 3, net.planes.length)
    return x, net(x, torch.tensor([3, 700]), **told)


def test_the_published_size_has_the_published_parameters():
    with torch.device("meta"):
        net = TriplaneUNet()
        assert net(torch.zeros(2, 4, 2048), torch.zeros(2)).shape == (2, 4, 2048)
    across = [*net.across_down, net.across_middle, *net.across_up]
    assert (len(net.across_down), len(net.across_up)) == (11, 12)
    assert count(net) == 528_273_412
    assert sum(map(count, across)) == 58_297_344


@pytest.mark.parametrize("grid", [(2, 4, 4), (2, 4, 6)])
def test_a_new_network_gives_zero_and_no_condition_is_one_of_zeros(grid):
    assert not read(small(grid))[1].any()
    net = randomised(small(grid))
    x, found = read(net)
    assert found.shape == x.shape
    assert found.std() > 0.1
    assert torch.equal(found, read(net, previous=torch.zeros_like(x))[1])
    assert not torch.allclose(found, read(net, previous=torch.ones_like(x))[1])


def test_planes_of_the_same_sides_are_computed_as_any_others():
    # Square frames are computed in one batch; each plane is still normalised by itself.
    net = randomised(small((2, 4, 4)))
    x, found = read(net)
    net._grouped = lambda planes: list(planes)
    assert torch.allclose(net(x, torch.tensor([3, 700])), found, atol=1e-5)


def test_planes_reach_one_another_through_the_attention_between_them_alone():
    def changes(net):
        x, found = read(net)
        planes = net.planes.split(x.clone())
        planes[2] += 1
        other = net(Planes.join(planes), torch.tensor([3, 700]))
        pairs = zip(net.planes.split(found), net.planes.split(other), strict=True)
        return [(one - two).abs().max().item() for one, two in pairs]

    net = randomised(small())
    assert min(changes(net)) > 1e-4
    for across in (*net.across_down, net.across_middle, *net.across_up):
        nn.init.zeros_(across.proj_out.weight)
        nn.init.zeros_(across.proj_out.bias)
    assert changes(net)[:2] == [0, 0]
    assert changes(net)[2] > 1e-3


def test_labels_change_the_prediction_where_there_are_classes():
    net = randomised(small(classes=3))
    one, other, none = (
        read(net, label=label)[1] for label in (torch.tensor([0, 0]), torch.tensor([1, 1]), None)
    )
    assert not torch.allclose(one, other)
    assert torch.equal(none, read(net, label=torch.tensor([3, 3]))[1])


def test_gradients_reach_all_weights():
    net = randomised(small())
    read(net)[1].square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in net.parameters())


def test_planes_of_another_grid_are_refused():
    with pytest.raises(ValueError, match="built for planes of a grid"):
        TriplaneUNet([4, 2048], [16, 32, 64])
    with pytest.raises(ValueError, match="multiples of 8"):
        TriplaneUNet([4, Planes(4, 32, 32).length], [4, 32, 32])
