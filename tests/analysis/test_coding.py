"""Latents of a run's data, or of one's own files, in a file and back."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

import ldm.analysis.__main__ as analysis
from data import Digits, FirstFrame
from data.files.errors import DataError
from data.images.clips import write_mp4
from ldm.analysis.coding import decode, encode, reconstruct
from ldm.analysis.files import read_data
from ldm.config.compose import compose
from ldm.run.models import build_models
from ldm.run.parts import Parts, build_data


def pixels(folder):
    with np.load(folder / "samples.npz") as file:
        return file["arr_0"].astype(int)


@pytest.fixture
def pictures(tmp_path):
    """Five test digits as files, of twice their size."""
    (tmp_path / "own").mkdir()
    for number, x in enumerate(Digits().test_dataset.__getitems__(range(5))["x"][:, 0]):
        levels = (x + 1).mul(127.5).round().byte().numpy().repeat(2, 0).repeat(2, 1)
        Image.fromarray(levels).save(tmp_path / "own" / f"{number}.png")
    return tmp_path / "own"


def test_what_is_encoded_and_decoded_is_what_is_reconstructed(trained, tmp_path, refused):
    run = f"run={trained}"
    analysis.main(["encode", run, "n=5", f"output={tmp_path}/five.safetensors"])
    latents = load_file(tmp_path / "five.safetensors")
    assert latents["latent"].shape == (5, 4, 4, 4)
    assert torch.equal(latents["told.label"], Digits().test_dataset.labels[:5])
    decode = ["decode", run, f"latents={tmp_path}/five.safetensors"]
    analysis.main([*decode, f"output={tmp_path}/decoded"])
    analysis.main(["reconstruct", run, "n=5", f"output={tmp_path}/again"])
    assert np.abs(pixels(tmp_path / "decoded") - pixels(tmp_path / "again")).max() <= 1
    save_file(latents, tmp_path / "five.safetensors", {"space": "another"})
    assert "holds latents of another" in refused(analysis.main, *decode, f"output={tmp_path}/no")


def test_images_of_ones_own_are_read_as_the_runs_data_are(trained, tmp_path, pictures):
    run = f"run={trained}"
    analysis.main(["reconstruct", run, f"files={pictures}", f"output={tmp_path}/own-again"])
    analysis.main(["reconstruct", run, "n=5", f"output={tmp_path}/again"])
    assert np.abs(pixels(tmp_path / "own-again") - pixels(tmp_path / "again")).mean() < 2
    given = [f"files={pictures}", "condition.label=3", f"output={tmp_path}"]
    analysis.main(["inversion", run, *given])
    analysis.main(["interpolation", run, *given, "n=2", "steps=3"])
    assert (tmp_path / "inversion.png").is_file()
    assert (tmp_path / "interpolation.png").is_file()


@pytest.fixture
def clips(tmp_path, monkeypatch):
    """`clips(*overrides)`: untrained parts of clips of four frames, whose latents are pixels."""
    monkeypatch.setenv("LDM_CACHE", str(tmp_path / "cache"))
    small = ["data=moving_digits", "data.digits=1", "data.size=16", "data.frames=4", "data.clips=4"]
    small += ["tokenizer=pixels", "prior=space_time_dit", f"run={tmp_path}/run"]

    def build(*overrides: str) -> Parts:
        config = compose([*small, *overrides])
        data = build_data(config)
        return Parts(config, data, build_models(config, data, ["tokenizer"]))

    return build


@pytest.fixture
def films(tmp_path):
    """A video of six frames and a folder of five, of twice the size; their frames are grey."""
    levels = torch.arange(6, dtype=torch.uint8).mul(40)
    frames = levels[:, None, None, None].expand(-1, 3, 32, 32)
    (tmp_path / "own" / "frames").mkdir(parents=True)
    write_mp4(tmp_path / "own" / "film.mp4", frames, 25)
    for number, frame in enumerate(frames[:5]):
        Image.fromarray(frame[0].numpy()).save(tmp_path / "own" / "frames" / f"{number}.png")
    return tmp_path / "own"


def test_videos_of_ones_own_are_encoded_decoded_and_reconstructed(clips, tmp_path, films):
    parts, own = clips(), {"files": str(films)}
    again = reconstruct(parts, {**own, "output": f"{tmp_path}/again"}, {"label": 3})
    latents = encode(parts, {**own, "output": f"{tmp_path}/latents.safetensors"}, {})
    assert load_file(latents)["latent"].shape == (2, 1, 4, 16, 16)
    decoded = decode(parts, {"latents": str(latents), "output": f"{tmp_path}/decoded"}, {})
    with np.load(again / "samples.npz") as file:
        assert file["arr_1"].tolist() == [3, 3]
    for folder in (again, decoded):
        assert {path.suffix for path in folder.glob("0*")} == {".mp4"}
        found = pixels(folder)[:, :, 8, 8, 0]
        assert np.abs(found - 40 * np.arange(4)).max() <= 2  # the first four frames of each


def test_videos_of_ones_own_have_their_own_first_frames(clips, films):
    parts = clips()
    batch = read_data(replace(parts, data=FirstFrame(parts.data)), 9, str(films))
    assert torch.equal(batch["first_frame"], batch["x"][:, :, 0])
    assert batch["x"].shape[:2] == (2, 1)


def test_folders_without_videos_and_short_ones_are_refused(clips, tmp_path, films):
    with pytest.raises(DataError, match=r"own/film\.mp4 has 6 frames, and a clip spans 9: ask"):
        read_data(clips("data.frames=9"), 2, str(films))
    (films / "film.mp4").unlink()
    with pytest.raises(DataError, match="no videos under"):
        read_data(clips(), 2, str(films / "frames"))
