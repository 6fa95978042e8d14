"""Times, conditions and outputs of a pair of networks."""

import torch
from torch import nn
from torch.testing import assert_close

from ldm.networks.points.pair import Pair


class Recorder(nn.Module):
    """A network that scales its points and records times and conditions."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(scale))

    def forward(self, x, t, **condition):
        self.t, self.condition = t, condition
        return self.scale * x


def test_the_backward_network_gets_the_remaining_time():
    pair, x, t = (
        Pair(Recorder(2.0), Recorder(-1.0)),
        torch.randn(3, 4),
        torch.tensor([0.0, 0.25, 1.0]),
    )
    assert_close(pair(x, t), torch.cat([2 * x, -x], 1))
    assert_close(pair.forward_net.t, t)
    assert_close(pair.backward_net.t, 1 - t)


def test_outputs_are_concatenated_along_the_first_axis_of_a_point():
    x = torch.randn(2, 3, 5)
    forward, backward = Pair(Recorder(1.0), Recorder(3.0))(x, torch.rand(2)).chunk(2, dim=1)
    assert_close(forward, x)
    assert_close(backward, 3 * x)


def test_both_networks_get_the_conditions():
    pair, label = Pair(Recorder(1.0), Recorder(1.0)), torch.tensor([1, 2])
    pair(torch.randn(2, 3), torch.rand(2), label=label)
    assert pair.forward_net.condition == pair.backward_net.condition == {"label": label}


def test_gradients_of_one_output_reach_one_network_only():
    pair = Pair(Recorder(1.0), Recorder(1.0))
    pair(torch.randn(2, 3), torch.rand(2))[:, :3].sum().backward()
    assert pair.forward_net.scale.grad != 0
    assert pair.backward_net.scale.grad == 0
