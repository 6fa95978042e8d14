"""Published names lead to the layer that computes the same."""

from itertools import pairwise

import pytest
import torch
from torch.testing import assert_close

from ldm.hub.riemannian import (
    mlp_from_published,
    time_mlp_from_averages,
    time_mlp_from_published,
)
from ldm.networks.points.mlp import MLP
from ldm.networks.points.time_mlp import TimeMLP

WIDTHS = [4, 8, 8, 8, 3]  # a point and the time, three hidden layers, a vector


def layers() -> list[tuple[torch.Tensor, torch.Tensor]]:
    torch.manual_seed(0)
    return [(torch.randn(b, a).double(), torch.randn(b).double()) for a, b in pairwise(WIDTHS)]


def haiku(i: int) -> str:
    return f"mlp/~/linear_{i}" if i else "mlp/~/linear"


STYLES = {
    "func": lambda i, w, b: {f"func.{2 * i}.weight": w, f"func.{2 * i}.bias": b},
    "linears": lambda i, w, b: {f"layer.linears.{i}.weight": w, f"layer.linears.{i}.bias": b},
    "haiku": lambda i, w, b: {f"{haiku(i)}/w": w.mT, f"{haiku(i)}/b": b},
}


@pytest.mark.parametrize("style", STYLES)
def test_a_published_perceptron_is_its_layers_one_after_the_other(style):
    state = {}
    for i, layer in reversed(list(enumerate(layers()))):  # in whatever order they are stored
        state |= STYLES[style](i, *layer)
    mlp = MLP([3], width=8, depth=3, activation="silu").double()
    mlp.load_state_dict(mlp_from_published(state))
    x, t = torch.randn(5, 3).double(), torch.rand(5).double()
    h = torch.cat([x, t[:, None]], 1)
    for i, (weight, bias) in enumerate(layers()):
        h = (torch.nn.functional.silu(h) if i else h) @ weight.mT + bias
    assert_close(mlp(x, t), h)


def test_more_than_ten_layers_keep_their_order():
    deep = MLP([3], width=2, depth=13)
    own = [m for m in deep.modules() if isinstance(m, torch.nn.Linear)]
    state = {f"linears.{i}.weight": m.weight for i, m in enumerate(own)}
    state |= {f"linears.{i}.bias": m.bias for i, m in enumerate(own)}
    for name, value in mlp_from_published(state).items():
        assert value is dict(deep.named_parameters())[name]


def timed() -> tuple[TimeMLP, dict[str, torch.Tensor]]:
    """A network with no two parameters alike, and its state under the published names."""
    torch.manual_seed(0)
    mlp = TimeMLP([3], 6, 4)
    for p in mlp.parameters():
        torch.nn.init.normal_(p)
    state = {}
    for k, layer in enumerate([*mlp.blocks, mlp.head]):
        place = f"model.model.vecfield.vecfield.layers.{2 * k}.module"
        state |= {f"{place}._layer.{n}": p for n, p in layer.linear.named_parameters()}
        state[f"{place}._hyper_bias.weight"] = layer.time.weight
        place = f"model.model.vecfield.vecfield.layers.{2 * k + 1}.module"
        if layer is not mlp.head:
            state |= {f"{place}.beta.{n}": p for n, p in layer.beta.named_parameters()}
    return mlp, state


def test_a_published_time_mlp_is_ours_without_its_averages():
    mlp, state = timed()
    state["model.shadow_params.0"] = torch.zeros(6, 3)
    ours = time_mlp_from_published(state)
    assert ours.keys() == mlp.state_dict().keys()
    assert all(torch.equal(ours[name], value) for name, value in mlp.state_dict().items())


def test_averages_go_by_number():
    mlp, _ = timed()
    state = {f"model.shadow_params.{j}": p for j, p in enumerate(mlp.parameters())}
    ours = time_mlp_from_averages(state, TimeMLP([3], 6, 4))
    assert all(torch.equal(ours[name], value) for name, value in mlp.state_dict().items())


def test_what_is_no_such_state_is_refused():
    with pytest.raises(ValueError, match="is not a parameter of a linear layer"):
        mlp_from_published({"norm.weight": torch.ones(3)})
    with pytest.raises(ValueError, match="found nothing"):
        time_mlp_from_published({})
    with pytest.raises(ValueError, match="24 parameters, found 1 averages"):
        time_mlp_from_averages({"shadow_params.0": torch.ones(3)}, TimeMLP([3], 6, 4))
