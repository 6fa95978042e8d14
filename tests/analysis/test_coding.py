"""Latents of a run's data, or of one's own files, in a file and back."""

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

import ldm.analysis.__main__ as analysis
from data import Digits


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
