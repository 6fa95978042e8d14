"""The authors' EDM and GeoLDM come in and go out, by name, to the last bit."""

import pytest
import torch

from data.molecules.base import Molecules
from ldm.config.compose import ConfigError, compose
from ldm.hub.__main__ import main
from ldm.hub.edm import edm_from_published, edm_to_published
from ldm.hub.weights import BadCheckpoint, load, read_state
from ldm.processes.noise_schedules import polynomial_2
from ldm.run.models import build_models
from ldm.run.parts import build_data

SMALL = [
    "experiment=geoldm/qm9",
    "tokenizer.encoder.width=8",
    "tokenizer.decoder.depth=2",
    "prior.backbone.width=8",
    "prior.backbone.depth=2",
]
LAYERS = {"edge_mlp": (0, 2), "node_mlp": (0, 2), "att_mlp": (0,)}


@pytest.fixture(autouse=True)
def requests(monkeypatch):
    """Full molecules are asked for, whose sizes QM9's files would tell."""

    def full(self, indices, seed):
        return {"index": torch.tensor(indices), "mask": self.example(len(indices))["mask"]}

    monkeypatch.setattr(Molecules, "requests", full)


def gamma():
    alpha_bar = (1 - polynomial_2()).cumprod(0)
    return torch.log((1 - alpha_bar) / alpha_bar).float()


def egnn(prefix: str, depth: int, read: int, out: int, width: int = 8) -> dict:
    """Random weights of an EGNN under the names of its authors."""
    sizes = {"edge_mlp.0": 2 * width + 2, "node_mlp.0": 2 * width, "coord_mlp.0": 2 * width + 2}
    shapes = {"embedding": (width, read), "embedding_out": (out, width)}
    for i in range(depth):
        for name, layers in LAYERS.items():
            for k in layers:
                rows = 1 if name == "att_mlp" else width
                columns = sizes.get(f"{name}.{k}", width)
                shapes[f"e_block_{i}.gcl_0.{name}.{k}"] = (rows, columns)
        for k in (0, 2, 4):
            rows, columns = (1 if k == 4 else width), sizes.get(f"coord_mlp.{k}", width)
            shapes[f"e_block_{i}.gcl_equiv.coord_mlp.{k}"] = (rows, columns)
    state = {}
    for name, shape in shapes.items():
        state[f"{prefix}.egnn.{name}.weight"] = torch.randn(shape)
        if not name.endswith("coord_mlp.4"):
            state[f"{prefix}.egnn.{name}.bias"] = torch.randn(shape[0])
    return state


def geoldm() -> dict:
    torch.manual_seed(0)
    final = {"0": (8, 8), "2": (3, 8)}
    mlp = {
        f"vae.encoder.final_mlp.{k}.{part}": torch.randn(shape if part == "weight" else shape[0])
        for k, shape in final.items()
        for part in ("weight", "bias")
    }
    return {
        **egnn("dynamics", 2, 2, 2),
        **egnn("vae.encoder", 1, 6, 8),
        **egnn("vae.decoder", 2, 1, 6),
        **mlp,
        "gamma.gamma": gamma(),
    }


def test_published_names_are_ours_and_back():
    state = geoldm()
    stages = edm_from_published(state)
    config = compose(SMALL)
    models = build_models(config, build_data(config), ["prior"])
    assert stages["prior"].keys() == models["prior"].backbone.state_dict().keys()
    own = models["tokenizer"].state_dict().keys() - {"mean", "std"}
    assert stages["tokenizer"].keys() == own
    again = edm_to_published({**stages, "tokenizer": models["tokenizer"].state_dict()}, gamma())
    assert again.keys() == state.keys()
    again = edm_to_published(stages, gamma())
    assert all(torch.equal(x, again[key]) for key, x in state.items())


def test_weights_come_in_and_go_out_through_the_command(tmp_path, capsys):
    file, run = tmp_path / "generative_model_ema.npy", tmp_path / "run"
    torch.save(geoldm(), file)
    main(["import", str(file), "--as", "edm", f"output={run}", *SMALL])
    assert "of the scale in the configuration" in capsys.readouterr().out
    config = compose([*SMALL, f"run={run}"])
    models = build_models(config, build_data(config), ["prior"])
    load(run / "prior" / "model.safetensors", models["prior"])
    assert torch.equal(
        models["prior"].backbone.egnn.embedding.weight, geoldm()["dynamics.egnn.embedding.weight"]
    )
    main(["export", str(run), "--as", "edm", f"output={tmp_path / 'out'}"])
    found = read_state(tmp_path / "out" / "generative_model_ema.npy")
    torch.testing.assert_close(found, geoldm(), rtol=0, atol=1e-5)


def test_files_that_do_not_fit_are_refused_with_what_to_do(tmp_path):
    file = tmp_path / "generative_model_ema.npy"
    with pytest.raises(ValueError, match=r"no dynamics\.egnn"):
        edm_from_published({"gamma.l1.weight": torch.zeros(1)})
    from ldm.run.exchange.imports import import_weights
    from ldm.run.folder import Run

    run = Run(tmp_path / "run")
    torch.save({"x": torch.zeros(1)}, file)
    with pytest.raises(BadCheckpoint, match="cannot be imported as edm"):
        import_weights(str(file), "edm", run, SMALL)
    torch.save(geoldm(), file)
    with pytest.raises(ConfigError, match="add experiment="):
        import_weights(str(file), "edm", run, SMALL[1:])
    with pytest.raises(BadCheckpoint, match="does not fit"):
        import_weights(str(file), "edm", run, [*SMALL, "prior.backbone.depth=3"])
    other = Run(tmp_path / "other")
    with pytest.raises(ConfigError, match="set its schedule"):
        import_weights(str(file), "edm", other, [*SMALL, "prior.process.schedule=cosine"])
