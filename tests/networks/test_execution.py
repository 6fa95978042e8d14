"""How trained networks compute: close to float32, with float32 around them and after errors."""

import copy

import pytest
import torch
from torch import nn

from ldm.networks.execution import Execution
from ldm.networks.images.dit import DiT

SMALL = {"shape": [4, 8, 8], "width": 64, "depth": 2, "heads": 2, "classes": 10}


@pytest.fixture
def dit():
    torch.manual_seed(0)
    dit = DiT(**SMALL).requires_grad_(False)
    for parameter in dit.parameters():
        if not parameter.any():  # zero at initialisation: every block would be the identity
            nn.init.normal_(parameter, std=0.1)
    return dit


def inputs(n=4):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(n, *SMALL["shape"], generator=generator)
    return x, torch.tensor([999, 600, 300, 0]), torch.arange(n)


def relative_error(found, exact):
    return ((found - exact).norm() / exact.norm()).item()


def test_half_precision_is_near_single_and_leaves_the_weights_as_they_are(dit):
    exact, before = dit(*inputs()), copy.deepcopy(dit.state_dict())
    Execution("bf16-mixed").prepare(dit, "cpu")
    found = dit(*inputs())
    assert found.dtype == torch.float32
    assert 1e-5 < relative_error(found, exact) < 2e-2
    assert all(torch.equal(value, before[name]) for name, value in dit.state_dict().items())


def test_single_precision_changes_no_bit(dit):
    exact = dit(*inputs())
    Execution().prepare(dit, "cpu")
    assert torch.equal(dit(*inputs()), exact)


def test_what_surrounds_a_network_stays_in_single_precision_even_after_an_error(dit):
    Execution("bf16-mixed").prepare(dit, "cpu")
    with pytest.raises(ValueError, match="built for latents"):
        dit(torch.zeros(4, 4, 4, 4), *inputs()[1:])
    assert not torch.is_autocast_enabled("cpu")
    assert torch.equal(dit(*inputs()), dit(*inputs()))
    assert not torch.is_autocast_enabled("cpu")


def test_a_copy_on_the_meta_device_has_shapes(dit):
    Execution("bf16-mixed").prepare(dit, "cpu")
    meta = copy.deepcopy(dit).to("meta")
    assert meta(*(x.to("meta") for x in inputs())).shape == (4, 8, 8, 8)


def test_compiled_blocks_compute_the_same(dit, monkeypatch):
    exact, compile = dit(*inputs()), nn.Module.compile  # all of it but the slow generation of code
    monkeypatch.setattr(nn.Module, "compile", lambda m: compile(m, backend="eager"))
    Execution(compile=True).prepare(dit, "cpu")
    assert all(block._compiled_call_impl for block in dit.blocks)
    assert relative_error(dit(*inputs()), exact) < 1e-5
