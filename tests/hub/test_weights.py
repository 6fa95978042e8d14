"""Weights with their facts, and files that are truncated, foreign, or need pickle."""

import errno

import pytest
import safetensors.torch
import torch
from torch import nn

from data.files.full import StorageFull
from ldm.hub import weights
from ldm.hub.weights import (
    BadCheckpoint,
    check_resumable,
    fingerprint,
    load,
    load_averaged,
    read_facts,
    save,
)


class Unsafe:
    """A pickle that calls a function when it is loaded, as any pickle can."""

    def __reduce__(self):
        return print, ("code ran",)


def model(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "model.safetensors"
    save(path, model(), {"space": "Flat(4)", "samples": 7})
    return path


def test_what_is_saved_is_loaded_with_its_facts(file):
    other = model(1)
    load(file, other)
    assert fingerprint(other) == fingerprint(model())
    assert read_facts(file) == {"space": "Flat(4)", "samples": 7}


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
def test_a_truncated_file_is_refused(file, share):
    whole = file.read_bytes()
    file.write_bytes(whole[: int(share * len(whole))])
    for use in (read_facts, lambda path: load(path, model())):
        with pytest.raises(BadCheckpoint, match=r"model\.safetensors is truncated or not a safe"):
            use(file)


def test_a_truncated_file_is_no_pickle_though_it_may_begin_like_one(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes((0x0180).to_bytes(8, "little") + b'{"weight":')
    with pytest.raises(BadCheckpoint, match=r"model\.safetensors is truncated or not a safe"):
        read_facts(path)


@pytest.mark.parametrize("old_format", [False, True])
def test_a_pickle_is_refused_and_not_run(tmp_path, capsys, old_format):
    path = tmp_path / "model.ckpt"
    torch.save({"x": Unsafe()}, path, _use_new_zipfile_serialization=not old_format)
    for use in (read_facts, lambda path: load(path, model())):
        with pytest.raises(BadCheckpoint, match=r"pickle.* refused; convert"):
            use(path)
    with pytest.raises(BadCheckpoint, match=r"needs pickle to load.*refused"):
        check_resumable(path)
    assert "code ran" not in capsys.readouterr().out


def test_a_file_without_facts_or_not_there_is_refused(tmp_path):
    path = tmp_path / "bare.safetensors"
    safetensors.torch.save_file({"x": torch.zeros(3)}, path)
    with pytest.raises(BadCheckpoint, match="holds weights but not the latent space"):
        read_facts(path)
    with pytest.raises(BadCheckpoint, match=r"no checkpoint at .*missing"):
        read_facts(tmp_path / "missing")


@pytest.mark.parametrize("other", [nn.Linear(3, 4), nn.Sequential(nn.Linear(3, 5))])
def test_weights_of_another_model_are_refused(file, other):
    with pytest.raises(BadCheckpoint, match="does not fit the configured model"):
        load(file, other)


def test_what_weights_of_another_model_lack_and_have_is_counted_not_listed(file):
    other = nn.ModuleDict({f"part{k}": nn.Linear(1, 1) for k in range(50)})
    with pytest.raises(BadCheckpoint) as refusal:
        load(file, other)
    message = str(refusal.value)
    assert "lacks part0.weight, part0.bias, part1.weight and 97 more and has " in message
    assert "and 4 more besides: give weights of such a model, or choose the parts" in message


def test_weights_of_other_sizes_are_named_with_both_shapes(file):
    other = nn.Sequential(nn.Linear(3, 5))
    with pytest.raises(BadCheckpoint, match=r"0\.weight is \(4, 3\) in the file and \(5, 3\) in"):
        load(file, other)


def test_nobody_is_told_to_run_what_a_file_holds(tmp_path):
    path = tmp_path / "model.ckpt"
    path.write_bytes(bytes(64))
    with pytest.raises(BadCheckpoint) as caught:
        weights.read_state(path)
    assert "weights_only" not in str(caught.value)


def test_on_a_full_device_the_older_weights_are_intact(file, monkeypatch):
    def half(state, path, metadata):
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(weights, "save_file", half)
    with pytest.raises(StorageFull, match=r"the older model\.safetensors is intact"):
        save(file, model(1), {})
    load(file, other := model(2))
    assert fingerprint(other) == fingerprint(model())
    assert len(list(file.parent.iterdir())) == 1


def test_a_state_of_training_is_refused_when_truncated_or_foreign(tmp_path):
    path = tmp_path / "last.ckpt"
    torch.save({"samples_seen": 5, "state_dict": {"x": torch.zeros(1000)}}, path)
    check_resumable(path)
    whole = path.read_bytes()
    for share in (0.0, 0.3, 0.99):
        path.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(BadCheckpoint, match=r"truncated or corrupt.*delete it to train"):
            check_resumable(path)
    torch.save({"epoch": 3}, path)
    with pytest.raises(BadCheckpoint, match="is not a state of this training"):
        check_resumable(path)


@pytest.mark.parametrize("broken", [bytes(64), b"\xff" * 64], ids=["zeros", "ones"])
def test_a_state_damaged_in_the_middle_is_refused(tmp_path, broken):
    path = tmp_path / "last.ckpt"
    torch.save({"samples_seen": 5, "state_dict": {"x": torch.rand(1000)}}, path)
    whole = path.read_bytes()
    for share in (0.02, 0.2, 0.5, 0.7, 0.9):
        start = int(share * len(whole))
        path.write_bytes(whole[:start] + broken + whole[start + 64 :])
        with pytest.raises(BadCheckpoint, match=r"truncated or corrupt.*delete it to train"):
            check_resumable(path)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(tmp_path, value):
    path, broken = tmp_path / "model.safetensors", model()
    with torch.no_grad():
        broken[0].bias[2] = value
    save(path, broken, {})
    with pytest.raises(BadCheckpoint, match=r"NaN or infinity in 0\.bias: copy it again, or del"):
        load(path, model())


def test_averaged_weights_are_taken_from_a_state_of_training(tmp_path):
    averaged = {f"ema.model.{name}": x for name, x in model(1).state_dict().items()}
    state = {f"model.{name}": x for name, x in model(2).state_dict().items()} | averaged
    torch.save({"state_dict": state}, tmp_path / "last.ckpt")
    load_averaged(tmp_path / "last.ckpt", other := model())
    assert fingerprint(other) == fingerprint(model(1))


def test_a_fingerprint_is_that_of_names_shapes_and_values():
    assert fingerprint(model()) == fingerprint(model())
    assert fingerprint(model()) != fingerprint(model(1))
    flat, wide = nn.Linear(4, 1, bias=False), nn.Linear(1, 4, bias=False)
    nn.init.ones_(flat.weight), nn.init.ones_(wide.weight)
    assert fingerprint(flat) != fingerprint(wide)
    assert fingerprint(nn.Sequential(flat)) != fingerprint(flat)
    with torch.no_grad():
        changed = model()
        changed[1].running_mean[2] += 1e-6
    assert fingerprint(changed) != fingerprint(model())
