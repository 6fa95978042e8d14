"""Linear layers: equal with and without oneDNN in every precision, with all derivatives."""

import pytest
import torch
from torch.func import jvp
from torch.testing import assert_close

from ldm.networks.linear import Linear

PRECISIONS = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 2e-2}


def layer(gelu: bool, dtype: torch.dtype = torch.float32) -> Linear:
    torch.manual_seed(0)
    return Linear(6, 4, gelu).to(dtype)


@pytest.mark.parametrize("dtype", PRECISIONS)
@pytest.mark.parametrize("gelu", [False, True])
def test_without_derivatives_it_computes_the_same(gelu, dtype):
    exact, x = layer(gelu, torch.float64), torch.randn(2, 3, 6, dtype=torch.float64)
    expected = torch.nn.functional.linear(x, exact.weight, exact.bias)
    if gelu:
        expected = torch.nn.functional.gelu(expected, approximate="tanh")
    net, tolerance = layer(gelu, dtype), PRECISIONS[dtype]
    with torch.no_grad():
        found = net(x.to(dtype))
    for output in (found, net(x.to(dtype))):
        assert output.dtype == dtype
        assert_close(output.double(), expected, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("gelu", [False, True])
def test_autocast_computes_in_half_precision_with_and_without_derivatives(gelu):
    net, x = layer(gelu), torch.randn(2, 3, 6)
    with torch.autocast("cpu", torch.bfloat16):
        trained = net(x)
        with torch.no_grad():
            found = net(x)
    assert found.dtype == trained.dtype == torch.bfloat16
    assert_close(found, trained, atol=2e-2, rtol=2e-2)


def test_forward_derivatives_are_taken_also_where_backward_ones_are_not():
    net, x, v = layer(True), torch.randn(2, 6), torch.randn(2, 6)
    expected = torch.autograd.functional.jvp(net, x, v)[1]
    with torch.no_grad():
        assert_close(jvp(net, (x,), (v,))[1], expected)


def test_samples_do_not_depend_on_their_batch():
    net, x = layer(True), torch.randn(5, 3, 6)
    with torch.no_grad():
        assert torch.equal(torch.cat([net(part) for part in x.split(2)]), net(x))


def test_compiling_changes_no_bit_of_it():
    net, x = layer(True), torch.randn(2, 3, 6)
    with torch.no_grad():
        expected = net(x)
        net.compile(backend="aot_eager")
        assert torch.equal(net(x), expected)
