"""Tensors are kept of checkpoints that pickle other objects, and nothing of these is run."""

import argparse
import collections
import os
import pickle
import shlex
import tarfile
import zipfile

import pytest
import torch
from omegaconf import OmegaConf
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.utilities.parsing import AttributeDict
from torch import nn

from ldm.hub.__main__ import main
from ldm.hub.weights import BadCheckpoint, read_state

OLD = {"_use_new_zipfile_serialization": False}


class Runs:
    """Pickles to a call."""

    def __init__(self, call, *arguments) -> None:
        self.call, self.arguments = call, arguments

    def __reduce__(self):
        return self.call, self.arguments


def weights():
    whole = torch.arange(12.0).view(3, 4)
    shared = {"whole": whole, "row": whole[1], "turned": whole.T, "none": torch.zeros(0, 2)}
    return shared | {"half": torch.ones(2).bfloat16(), "learned": nn.Parameter(torch.ones(2))}


def objects(folder):
    """What trainings keep beside their weights, and calls that make a folder."""
    return {
        "callbacks": {ModelCheckpoint: {"best_model_score": torch.tensor(1.0)}},
        "hyper_parameters": AttributeDict(lr=1.0, model=OmegaConf.create({"z": [1, {"e": 2}]})),
        "args": argparse.Namespace(folder=folder, seen={1, 2}, by=collections.defaultdict(list)),
        "loss": nn.Sequential(nn.Linear(2, 2)),
        "hostile": [Runs(os.mkdir, str(folder / "made")), Runs(eval, "1 / 0"), Runs(getattr, 1)],
    }


def converted(path, capsys):
    """Run the command that the refusal of a file prints, as it is printed."""
    with pytest.raises(BadCheckpoint, match=r"holds Python objects.*refused") as caught:
        read_state(path)
    printed = str(caught.value).partition("written by: ")[2]
    python, module, name, *words = shlex.split(printed)
    assert (python, module, name) == ("python", "-m", "ldm.hub")
    main(words)
    return read_state(path.with_suffix(".safetensors")), capsys.readouterr().out


@pytest.mark.parametrize(
    "options",
    [OLD, *({"pickle_protocol": i} for i in range(2, pickle.HIGHEST_PROTOCOL + 1))],
    ids=str,
)
def test_weights_are_kept_and_nothing_is_run(tmp_path, capsys, options):
    path = tmp_path / "a model.ckpt"
    torch.save({**objects(tmp_path), "state_dict": weights()}, path, **options)
    state, _ = converted(path, capsys)
    assert state.keys() == weights().keys()
    for key, x in weights().items():
        assert state[key].dtype == x.dtype
        assert torch.equal(state[key], x)
    assert not (tmp_path / "made").exists()


def test_objects_among_the_weights_are_left_out_by_name(tmp_path, capsys):
    path = tmp_path / "model.pt"
    torch.save({"w": torch.ones(2), "run": Runs(os.mkdir, str(tmp_path / "made"))}, path)
    state, said = converted(path, capsys)
    assert state.keys() == {"w"}
    assert "left out, as they are no tensors: run" in said
    assert not (tmp_path / "made").exists()
    with pytest.raises(SystemExit):
        main(["tensors", str(path), f"output={path.with_suffix('.safetensors')}"])
    assert "is there: choose another output=..." in capsys.readouterr().err


def replaced(path, program):
    """Put another program in the place of a file's pickle."""
    torch.save({"w": torch.ones(2)}, path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, program if name.endswith("data.pkl") else content)


STORAGE = (
    b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x02tQ"
)
TENSOR = b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n("
OF_TYPE = b"\x80\x02ctorch._tensor\n_rebuild_from_type_v2\n("
END = b"K\x02\x85K\x01\x85\x89NtR."  # two numbers, one after the other
HOSTILE = {
    "attribute of a stand-in": b"\x80\x02cos\nsystem\n}X\x05\x00\x00\x00stateK\x01sb.",
    "attribute of a container": b"\x80\x02ccollections\nOrderedDict\nN}X\x01\x00\x00\x00xNs\x86b.",
    "more than its storage": TENSOR + STORAGE + b"K\x01" + END,
    "before its storage": TENSOR + STORAGE + b"J\xf0\xff\xff\xff" + END,
    "no storage": TENSOR + b"K\x07K\x00" + END,
    "call of a number": b"\x80\x02K\x01)R.",
    "call for a type": OF_TYPE + b"cos\nsystem\nNX\x02\x00\x00\x00lsNtR.",
    "another reference": b"\x80\x02X\x01\x00\x00\x000Q.",
    "extension": b"\x80\x02\x82\x01.",
    "cut": b"\x80\x02}(X\x01\x00\x00\x00w",
}


@pytest.mark.parametrize("program", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_program_is_refused_and_writes_nothing(tmp_path, refused, program):
    path, output = tmp_path / "model.ckpt", tmp_path / "out.safetensors"
    replaced(path, program)
    message = refused(main, "tensors", str(path), f"output={output}")
    assert "model.ckpt is not a whole file of weights" in message
    assert "nothing in it was run" in message
    assert not output.exists()


def test_other_archives_are_never_handed_to_other_readers(tmp_path, refused, monkeypatch):
    script, tar = tmp_path / "script.pt", tmp_path / "model.tar"
    torch.save(weights() | objects(tmp_path), script)
    with zipfile.ZipFile(script, "a") as archive:
        archive.writestr("script/constants.pkl", b"\x80\x02).")
    (tmp_path / "storages").write_bytes(pickle.dumps(0))
    with tarfile.open(tar, "w") as archive:
        archive.add(tmp_path / "storages", "storages")
    monkeypatch.setattr(torch.jit, "load", lambda *_, **__: pytest.fail("TorchScript was loaded"))
    monkeypatch.setattr(tarfile.TarFile, "extract", lambda *_, **__: pytest.fail("unpacked"))
    for path in (script, tar):
        message = refused(main, "tensors", str(path), f"output={tmp_path / 'out'}")
        assert "is not a whole file of weights" in message


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"state_dict": {"x": 1}}, "something else than named tensors"),
        ([torch.ones(2)], "something else than named tensors"),
        (nn.Linear(2, 2), "something else than named tensors"),
    ],
)
def test_a_file_without_named_tensors_is_refused(tmp_path, refused, content, message):
    torch.save(content, tmp_path / "model.pt")
    words = "tensors", str(tmp_path / "model.pt"), f"output={tmp_path / 'out'}"
    assert message in refused(main, *words)
    assert "no weights at" in refused(main, "tensors", "none.pt", words[-1])
    assert "takes one file and output=..." in refused(main, "tensors", words[-1])
    assert "name the file to write: output=..." in refused(main, *words[:-1])
