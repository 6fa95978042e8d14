"""State dicts of the authors' layouts at full size are read, fit and go back unchanged."""

import pytest
import torch
from authors import authors_names, autoencoder

from ldm.hub.compvis import autoencoder_to_compvis
from ldm.hub.layouts import read_layout
from ldm.networks.images.dit import DiT
from ldm.networks.images.lightningdit import LightningDiT
from ldm.run.exchange.configurations import from_sizes
from ldm.run.folder import Run
from ldm.run.models import build_models
from ldm.run.parts import build_data


def names_and_shapes(depth, width, channels, values, lightning):
    """Parameters of the authors' checkpoint for 1000 classes, name by name."""
    hidden = int(2 / 3 * 4 * width)
    layers = {
        "t_embedder.mlp.0": (width, 256),
        "t_embedder.mlp.2": (width, width),
        "final_layer.linear": (values, width),
        "final_layer.adaLN_modulation.1": (2 * width, width),
    }
    perceptron = {"w12": (2 * hidden, width), "w3": (width, hidden)}
    if not lightning:
        perceptron = {"fc1": (4 * width, width), "fc2": (width, 4 * width)}
    found = {"final_layer.norm_final.weight": (width,)} if lightning else {}
    for i in range(depth):
        block = f"blocks.{i}"
        layers[f"{block}.attn.qkv"] = (3 * width, width)
        layers[f"{block}.attn.proj"] = (width, width)
        layers |= {f"{block}.mlp.{name}": shape for name, shape in perceptron.items()}
        layers[f"{block}.adaLN_modulation.1"] = (6 * width, width)
        if lightning:
            found |= {f"{block}.norm{n}.weight": (width,) for n in (1, 2)}
    patch = (1 if lightning else 2,) * 2
    found |= {f"{name}.weight": shape for name, shape in layers.items()}
    found |= {f"{name}.bias": shape[:1] for name, shape in layers.items()}
    return found | {
        "x_embedder.proj.weight": (width, channels, *patch),
        "x_embedder.proj.bias": (width,),
        "y_embedder.embedding_table.weight": (1001, width),
        "pos_embed": (1, 256, width),
    }


@pytest.mark.parametrize(
    ("layout", "network", "published", "sizes"),
    [
        ("dit", DiT, 675_129_632, (28, 1152, 4, 32, False)),
        ("sit", DiT, 675_129_632, (28, 1152, 4, 32, False)),
        ("lightningdit", LightningDiT, 675_256_736, (28, 1152, 32, 32, True)),
    ],
)
def test_the_largest_transformers_load_and_go_back(monkeypatch, layout, network, published, sizes):
    shapes = names_and_shapes(*sizes)
    # Expanded from one number: of full size in all but memory.
    number = torch.randn(())
    state = {name: number.expand(shape) for name, shape in shapes.items()}
    assert sum(x.numel() for x in state.values()) == published
    monkeypatch.setattr("ldm.hub.layouts.read_state", lambda path: state)
    (found,) = read_layout(f"{layout}.pt", layout)
    with torch.device("meta"):
        model = network.sized("XL/1" if sizes[-1] else "XL/2")
    model.load_state_dict(found.state, assign=True)
    back = model.state_dict()
    assert back.keys() == state.keys()
    assert all(back[name].data_ptr() == x.data_ptr() for name, x in state.items())
    assert all(back[name].shape == x.shape for name, x in state.items())


def test_va_vae_loads_and_goes_back(tmp_path, monkeypatch):
    with torch.device("meta"):
        wide = [128 * multiplier for multiplier in (1, 1, 2, 2, 4)]
        theirs = autoencoder(wide, attention=[4], latent=32, layers_per_block=2)
        state = authors_names(theirs)
        other = {"linear_proj.weight": torch.zeros(1024, 32, 1, 1)}  # to DINOv2's features
    assert sum(x.numel() for x in state.values()) == 69_836_067
    monkeypatch.setattr("ldm.hub.layouts.read_state", lambda path: state | other)
    (found,) = read_layout("vavae.pt", "compvis")
    assert found.unused == list(other)
    config, _ = from_sizes(found, Run(tmp_path), [])
    model = build_models(config, build_data(config), ["tokenizer"], "meta")["tokenizer"]
    moments = {"mean": model.mean, "std": model.std}
    model.load_state_dict(found.state | moments, assign=True)
    back = autoencoder_to_compvis(model.state_dict())
    assert {name: x.shape for name, x in back.items()} == {n: x.shape for n, x in state.items()}
