"""Laws of every backbone for points of manifolds, on which divergences and likelihoods rely."""

import pytest
import torch
from torch import Tensor, nn
from torch.func import jacrev, jvp, vmap
from torch.fx.experimental.proxy_tensor import make_fx
from torch.testing import assert_close

from ldm.networks.points.fields import (
    DivergenceFree,
    Eigen,
    LieAlgebra,
    TorusField,
)
from ldm.networks.points.mlp import MLP
from ldm.networks.points.point_features import (
    CircleAngles,
    FourierFeatures,
    RandomFourierFeatures,
    SinusoidalTime,
    SphericalHarmonics,
)
from ldm.networks.points.residual_mlp import ResidualMLP
from ldm.networks.points.su3_net import SU3Net
from ldm.networks.points.time_mlp import TimeMLP

SMALL = {"width": 16, "depth": 2}
U_NET = {"width": 32, "depth": 1, "condition": 16}

BACKBONES = {
    "sines": ([3], lambda: MLP([3], **SMALL)),
    "harmonics": ([3], lambda: MLP([3], features=SphericalHarmonics(4), **SMALL)),
    "random waves": ([3], lambda: MLP([3], features=RandomFourierFeatures(3, 8), **SMALL)),
    "time waves": ([3], lambda: MLP([3], time=SinusoidalTime(8, 10.0), **SMALL)),
    "classes": ([3], lambda: MLP([3], classes=4, **SMALL)),
    "time": ([3], lambda: TimeMLP([3], width=16, depth=3)),
    "torus": (
        [4],
        lambda: TimeMLP([4], 16, 3, features=CircleAngles(2, FourierFeatures(2, 3))),
    ),
    "divergence free": ([4], lambda: DivergenceFree(MLP([4], out=6, **SMALL), 3)),
    "eigen": ([3], lambda: Eigen(TimeMLP([3], 16, 3))),
    "SO(3)": ([3, 3], lambda: LieAlgebra(MLP([3, 3], out=3, **SMALL), "so", 3)),
    "SU(2)": ([2, 2, 2], lambda: LieAlgebra(MLP([2, 2, 2], out=3, **SMALL), "su", 2)),
    "circles": ([6], lambda: TorusField(MLP([6], out=3, **SMALL))),
    "residual": ([8], lambda: ResidualMLP([8], **U_NET)),
    "lattice": ([2, 2, 2, 2, 3], lambda: SU3Net(n=2, **U_NET)),
}

every = pytest.mark.parametrize("name", BACKBONES)


def example(name: str, n: int = 3) -> tuple[nn.Module, Tensor, Tensor]:
    """A double-precision network with nonzero weights, and valid inputs."""
    torch.manual_seed(0)
    shape, build = BACKBONES[name]
    net = build().double().eval()
    for parameter in net.parameters():
        nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5 if parameter.ndim > 1 else 0.1)
    return net, torch.randn(n, *shape).double(), torch.rand(n).double()


@every
def test_outputs_have_the_shape_of_the_points(name):
    net, x, t = example(name)
    out = net(x, t)
    assert (out.shape, out.dtype) == (x.shape, x.dtype)
    assert len({tuple(one.flatten().tolist()) for one in out}) == 3


@every
def test_the_output_of_a_point_does_not_depend_on_its_batch(name):
    net, x, t = example(name)
    together = net(x, t)
    for i in range(3):
        assert_close(net(x[i : i + 1], t[i : i + 1]), together[i : i + 1])


@every
def test_forward_mode_derivatives_agree_with_finite_differences(name):
    net, x, t = example(name)
    v, h = torch.randn_like(x), 1e-5
    value, slope = jvp(lambda x: net(x, t), (x,), (v,))
    assert_close(value, net(x, t))
    difference = (net(x + h * v, t) - net(x - h * v, t)) / (2 * h)
    assert_close(slope, difference, rtol=1e-5, atol=1e-6 * slope.abs().max().item())


@every
def test_forward_and_reverse_mode_jacobians_agree(name):
    net, x, t = example(name)

    def one(x: Tensor, t: Tensor) -> Tensor:
        return net(x[None], t[None])[0]

    jacobian = vmap(jacrev(one))(x, t)
    v = torch.randn_like(x)
    expected = jvp(lambda x: net(x, t), (x,), (v,))[1]
    product = jacobian.reshape(3, x[0].numel(), -1) @ v.reshape(3, -1, 1)
    assert_close(product.reshape(x.shape), expected)


@every
def test_inputs_are_not_modified(name):
    net, x, t = example(name)
    kept = x.clone(), t.clone()
    net(x, t).sum().backward()
    assert torch.equal(x, kept[0])
    assert torch.equal(t, kept[1])


@every
def test_every_parameter_gets_a_gradient(name):
    net, x, t = example(name, n=8)
    net(x, t).square().sum().backward()
    assert all(parameter.grad.abs().max() > 0 for parameter in net.parameters())


@every
def test_bfloat16_autocast_stays_near_single_precision(name):
    net, x, t = example(name)
    net, x, t = net.float(), x.float(), t.float()
    with torch.no_grad():
        expected = net(x, t)
        with torch.autocast("cpu", torch.bfloat16):
            got = net(x, t)
    assert (got - expected).norm() < 0.05 * expected.norm()


@every
def test_networks_run_on_the_meta_device(name):
    shape, build = BACKBONES[name]
    with torch.device("meta"):
        assert build()(torch.zeros(2, *shape), torch.zeros(2)).shape == (2, *shape)


@every
def test_a_traced_graph_agrees_for_other_inputs(name):
    net, x, t = example(name)
    graph = make_fx(net)(x, t)  # fails if control flow depends on values
    x, t = torch.randn_like(x), torch.rand_like(t)
    assert_close(graph(x, t), net(x, t))


@every
def test_a_loaded_state_dict_reproduces_the_output(name):
    net, x, t = example(name)
    torch.manual_seed(1)
    other = BACKBONES[name][1]().double().eval()
    other.load_state_dict(net.state_dict())
    assert torch.equal(other(x, t), net(x, t))
