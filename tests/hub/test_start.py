"""A training starts from given weights, and what was not loaded is said."""

import pytest
import torch
from torch import nn

import train
from ldm.hub import weights
from ldm.hub.start import start_from
from ldm.hub.weights import BadCheckpoint
from ldm.networks.images.dit import DiT
from ldm.run.loading import load_run


def network(classes=4, size=8, width=16, seed=0) -> nn.ModuleDict:
    torch.manual_seed(seed)
    dit = DiT([2, size, size], 2, width=width, depth=1, heads=2, classes=classes)
    for parameter in dit.parameters():
        if parameter.requires_grad:
            nn.init.normal_(parameter)
    return nn.ModuleDict({"backbone": dit})


def saved(folder, model):
    weights.save(folder / "model.safetensors", model, {"space": "Flat(2, 8, 8)"})
    return folder / "model.safetensors"


def table(model):
    return model["backbone"].y_embedder.embedding_table.weight


def test_a_model_of_the_same_sizes_starts_from_every_weight(tmp_path):
    model, other = network(), network(seed=1)
    said = start_from(saved(tmp_path, model), other, "prior")
    assert weights.fingerprint(other) == weights.fingerprint(model)
    assert said == f"prior starts from 22 tensors of {tmp_path / 'model.safetensors'}"


@pytest.mark.parametrize("classes", [2, 7])
def test_a_class_table_is_resized_only_where_that_is_asked_for(tmp_path, classes):
    path, other = saved(tmp_path, model := network(4)), network(classes, seed=1)
    with pytest.raises(BadCheckpoint, match=r"\(5, 16\) in the file.*prior.resize_classes=true"):
        start_from(path, other, "prior")
    before = table(other).detach().clone()
    start_from(path, other, "prior", resize_classes=True)
    kept = min(classes, 4)
    assert torch.equal(table(other)[:kept], table(model)[:kept])
    assert torch.equal(table(other)[kept:-1], before[kept:-1])
    assert torch.equal(table(other)[-1], table(model)[-1])


def test_fixed_places_of_another_grid_are_kept_and_that_is_said(tmp_path):
    path, other = saved(tmp_path, model := network()), network(size=16, seed=1)
    places = other["backbone"].pos_embed.clone()
    said = start_from(path, other, "prior")
    assert "starts from 21 tensors" in said
    assert said.endswith("not loaded, of another shape: backbone.pos_embed")
    assert torch.equal(other["backbone"].pos_embed, places)
    assert torch.equal(table(other), table(model))


def test_what_only_one_of_both_has_is_said(tmp_path):
    said = start_from(saved(tmp_path, network()), network(classes=0, seed=1), "prior")
    assert said.endswith("not used of the file: backbone.y_embedder.embedding_table.weight")
    said = start_from(saved(tmp_path, network(classes=0)), network(seed=1), "prior")
    assert said.endswith("new in the model: backbone.y_embedder.embedding_table.weight")


def test_weights_of_another_width_or_of_another_kind_are_refused(tmp_path):
    path = saved(tmp_path, network())
    with pytest.raises(BadCheckpoint, match="choose the sizes that it was trained with"):
        start_from(path, network(width=32), "prior")
    with pytest.raises(BadCheckpoint, match="has no tensor of the prior"):
        start_from(path, nn.Linear(1, 1), "prior")


def test_a_prior_trains_on_from_another_runs_weights(trained, tiny, tmp_path, capsys):
    given = [f"tokenizer.checkpoint={trained}", f"prior.checkpoint={trained}", "stages=[prior]"]
    short = ["prior.training.samples=64", "prior.training.optimizer.lr=1e-12", "eval.scorers=[]"]
    train.main([*tiny, *given, *short, "prior.training.ema=0.0"])
    said = capsys.readouterr().out
    assert f"prior starts from 32 tensors of {trained}/prior/model.safetensors" in said
    before, now = (load_run(run, []).prior for run in (trained, tmp_path / "runs" / "digits"))
    for key, value in before.state_dict().items():  # one step with next to no learning rate
        torch.testing.assert_close(now.state_dict()[key], value, atol=1e-6, rtol=0, msg=key)
    train.main([*tiny, *given, *short, "prior.training.ema=0.0"])  # finished: loads its own
    assert "starts from" not in capsys.readouterr().out
    again = load_run(tmp_path / "runs" / "digits", []).prior
    assert weights.fingerprint(again) == weights.fingerprint(now)
    assert weights.fingerprint(again) != weights.fingerprint(before)


def test_a_prior_refuses_a_tokenizer_that_was_never_measured(trained, tiny, tmp_path, refused):
    tokenizer = load_run(trained, []).models["tokenizer"]
    tokenizer.std.zero_()
    weights.save(tmp_path / "bare.safetensors", tokenizer, {"space": repr(tokenizer.space)})
    given = [f"tokenizer.checkpoint={tmp_path / 'bare.safetensors'}", "stages=[prior]"]
    message = refused(train.main, *tiny, *given)
    assert "the latents of the tokenizer" in message
    assert "were never measured" in message
