"""Tokenizers of GSQ's authors load, and go back unchanged."""

import pytest
import torch
from gsq_authors import names_and_shapes, random_state

from ldm.hub.__main__ import main
from ldm.hub.gsq import gsq_to_authors
from ldm.hub.layouts import read_layout
from ldm.hub.weights import BadCheckpoint, read_state
from ldm.run.exchange.configurations import from_sizes
from ldm.run.folder import Run
from ldm.run.loading import load_run
from ldm.run.models import build_models
from ldm.run.parts import build_data

F8, F16, DEEP = [1, 2, 2, 4], [1, 1, 2, 2, 4], [1, 2, 2, 4, 4]


@pytest.mark.parametrize(
    ("sizes", "published"),
    [
        ({"multipliers": F16, "latent": 16, "groups": 8, "codes": 262144}, 73_456_659),
        ({"multipliers": F8, "latent": 8, "groups": 1, "codes": 8192, "nearest": True}, 60_387_467),
        (
            {"multipliers": DEEP, "latent": 64, "groups": 4, "codes": 262144, "middle": 4}
            | {"counts": [4, 3, 4, 3, 4], "up_counts": [3, 4, 3, 4, 4]},
            166_259_651,
        ),
    ],
)
def test_published_sizes_load_and_go_back(tmp_path, monkeypatch, sizes, published):
    number = torch.randn(())  # expanded: of full size in all but memory
    state = {name: number.expand(shape) for name, shape in names_and_shapes(**sizes).items()}
    assert sum(x.numel() for x in state.values()) == published
    monkeypatch.setattr("ldm.hub.layouts.read_state", lambda path: state | {"disc.w": number})
    (found,) = read_layout("checkpoint.pt", "gsq")
    assert found.unused == ["disc.w"]
    config, _ = from_sizes(found, Run(tmp_path / "run"), [])
    model = build_models(config, build_data(config), ["tokenizer"], "meta")["tokenizer"]
    moments = {"mean": model.mean, "std": model.std}
    model.load_state_dict(found.state | moments, assign=True)
    back = gsq_to_authors(model.state_dict())
    assert back.keys() == state.keys()
    assert all(back[name].shape == x.shape for name, x in state.items())
    assert all(back[name].data_ptr() == number.data_ptr() for name in state)


def saved(path, **sizes):
    """Write a small tokenizer of random weights as its authors do."""
    small = {"multipliers": [1, 2], "latent": 4, "groups": 2, "codes": 8, "width": 32, "image": 1}
    state = random_state(**small | sizes)
    torch.save({"model_state_dict": state, "config": {"num_embed": 8}}, path)
    return state


@pytest.mark.parametrize(
    "sizes",
    [{}, {"nearest": True, "norms": False, "counts": [1, 2], "up_counts": [2, 1], "middle": 2}],
    ids=["published", "plain"],
)
def test_a_file_of_the_authors_comes_back_bit_for_bit(tmp_path, sizes):
    theirs = saved(tmp_path / "checkpoint.pt", **sizes)
    run, out = tmp_path / "run", tmp_path / "out"
    words = ["import", str(tmp_path / "checkpoint.pt"), "--as", "gsq", f"output={run}"]
    main([*words, "data=digits", "scaling_factor=1.0"])
    main(["export", str(run), "--as", "gsq", f"output={out}"])
    back = read_state(out / "model.safetensors")
    assert back.keys() == theirs.keys()
    assert all(torch.equal(back[key], x) for key, x in theirs.items())
    tokenizer = load_run(run, []).tokenizer
    pictures, encoded = tokenizer.reconstruct({"x": torch.randn(2, 1, 8, 8)})
    assert pictures["x"].shape == (2, 1, 8, 8)
    assert encoded.codes.shape == (2, 4, 4, 2)


def test_other_files_and_unknown_blocks_are_refused(tmp_path, refused):
    state = saved(tmp_path / "checkpoint.pt")
    torch.save({"encoder.blocks.0.net.0.weight": torch.ones(2)}, tmp_path / "other.pt")
    with pytest.raises(BadCheckpoint, match=r"no tokenizer of GSQ's authors; it has encoder\.blo"):
        read_layout(str(tmp_path / "other.pt"), "gsq")
    state["encoder.blocks.8.qkv.weight"] = torch.ones(2)
    torch.save(state, tmp_path / "attention.pt")
    with pytest.raises(
        BadCheckpoint, match=r"encoder\.blocks\.8 has qkv\.weight.*attention is not"
    ):
        read_layout(str(tmp_path / "attention.pt"), "gsq")
