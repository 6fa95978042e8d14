"""Two sets of pictures compared, in folders, arrays or statistics."""

import json
import shutil
from urllib.error import URLError

import numpy as np
import pytest
import torch
from PIL import Image

import eval.__main__
import sample
from data import Digits
from data.files.errors import DataError
from eval.extractors import Extractor, Features
from eval.folders import PROTOCOLS, Protocol, compare, statistics
from eval.metrics import inception_score, prdc_scores


class Means(Extractor):
    """The mean of each colour, and of the upper half."""

    name, feature_size, protocol = "means", 4, {"extractor": "means"}
    calls = 0

    def forward(self, images):
        Means.calls += 1
        x = images.float()
        half = x[:, :, : x.shape[2] // 2].mean((1, 2, 3))
        return Features(torch.cat([x.mean((2, 3)), half[:, None]], 1) / 255)


class Halves(Means):
    """`Means` under Inception's name, with spatial features and logits."""

    name, spatial_size, protocol = "inception", 2, {"extractor": "halves"}

    def forward(self, images):
        pooled = super().forward(images).pooled
        return Features(pooled, 10 * pooled, pooled[:, :2] + pooled[:, 2:])


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("LDM_CACHE", str(tmp_path / "cache"))


def pictures(n=20, seed=0, size=(6, 8)):
    return np.random.default_rng(seed).integers(0, 256, (n, *size, 3), np.uint8)


def write(folder, images):
    folder.mkdir()
    for number, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{number:05d}.png")
    return folder


def test_a_folder_and_an_array_of_the_same_pictures_are_one_set(tmp_path):
    np.savez(tmp_path / "array.npz", arr_0=pictures())
    folder = write(tmp_path / "folder", pictures())
    found = compare(folder, tmp_path / "array.npz", Means())
    assert found["fd_means"] == pytest.approx(0, abs=1e-9)
    assert found["precision_means"] == found["recall_means"] == found["coverage_means"] == 1
    assert {"kd_means", "kd_std_means", "density_means"} < found.keys()
    other = compare(folder, write(tmp_path / "other", pictures(seed=1) // 2), Means())
    assert other["fd_means"] > 0.05


def test_statistics_alone_give_a_frechet_distance(tmp_path, capsys):
    folder = write(tmp_path / "folder", pictures())
    moments = statistics(folder, Means()).moments
    assert f"features of {folder}: 20/20 in" in capsys.readouterr().out
    assert moments.n == 20
    shifted = moments.mu + torch.tensor([3.0, 0, 0, 4])
    np.savez(tmp_path / "stats.npz", mu=shifted, sigma=moments.sigma)
    assert compare(folder, tmp_path / "stats.npz", Means()) == {
        "fd_means": pytest.approx(25, rel=1e-6)
    }


def test_a_reference_batch_of_the_adm_suite_is_its_statistics_and_its_pictures(tmp_path):
    extractor, n = Halves(), 40
    reference, samples = tmp_path / "reference.npz", tmp_path / "samples.npz"
    moments = {"mu": np.zeros(4), "sigma": np.eye(4), "mu_s": np.ones(2), "sigma_s": np.eye(2)}
    np.savez(reference, arr_0=pictures(), **moments)
    np.savez(samples, arr_0=pictures(n, seed=1))
    found = compare(samples, reference, extractor, "adm")
    assert list(found) == ["inception_score", "inception_score_std", "fid", "sfid", "precision",
                           "recall"]  # fmt: skip
    features = extractor(torch.from_numpy(pictures(n, seed=1)).permute(0, 3, 1, 2))
    for name, x, mean in (("fid", features.pooled, 0.0), ("sfid", features.spatial, 1.0)):
        shift = (x.double().mean(0) - mean).square().sum()  # and from the identity, as in 1-D
        root = torch.linalg.eigvalsh(torch.cov(x.T.double())).clamp(min=0).sqrt()
        assert found[name].item() == pytest.approx((shift + (root - 1).square().sum()).item())
    kept = statistics(reference, extractor).kept
    expected = prdc_scores(kept, features.pooled)
    assert found["recall"] == expected["recall"] > 0
    assert found["precision"] == expected["precision"]
    assert found["inception_score"].item() == pytest.approx(
        inception_score(features.logits, splits=1, seed=None)["mean"].item()
    )


def test_the_adm_protocol_keeps_all_samples_and_scores_them_in_order(tmp_path):
    kept, part = PROTOCOLS["adm"].kept, PROTOCOLS["adm"].part
    assert (kept, part) == (None, 5000)
    ordered = np.sort(pictures(64).reshape(-1)).reshape(64, 6, 8, 3)
    folder = write(tmp_path / "folder", ordered)
    found = statistics(folder, Halves(), Protocol(kept=None, part=16))
    assert len(found.kept) == 64
    shuffled = statistics(folder, Halves(), Protocol(kept=20, part=64))
    assert len(shuffled.kept) == 16  # one in four
    assert found.inception["mean"] < shuffled.inception["mean"]  # consecutive ones are alike
    assert statistics(folder, Halves(), Protocol(kept=None, part=16)).inception == found.inception


def test_features_are_computed_once_for_each_content(tmp_path):
    folder = write(tmp_path / "folder", pictures(200))
    first = statistics(folder, Means())
    before = Means.calls
    copy = statistics(shutil.copytree(folder, tmp_path / "copy"), Means())
    assert Means.calls == before
    assert torch.equal(first.kept, copy.kept)
    assert torch.equal(first.moments.sigma, copy.moments.sigma)
    Image.fromarray(pictures(1, seed=9)[0]).save(folder / "00000.png")
    assert not torch.equal(statistics(folder, Means()).kept, first.kept)
    for path in (tmp_path / "cache" / "features").iterdir():
        path.write_bytes(b"cut")
    assert torch.equal(statistics(tmp_path / "copy", Means()).kept, first.kept)


def test_pictures_of_several_sizes_are_read(tmp_path):
    folder = write(tmp_path / "folder", [*pictures(5), *pictures(5, size=(4, 4)), *pictures(3, 7)])
    assert statistics(folder, Means()).moments.n == 13


def test_a_large_set_is_remembered_in_part(tmp_path):
    folder = write(tmp_path / "folder", pictures(130))
    found = statistics(folder, Means(), Protocol(kept=50))
    assert found.moments.n == 130
    every_third = Means()(torch.from_numpy(pictures(130)[::3]).permute(0, 3, 1, 2)).pooled
    torch.testing.assert_close(found.kept, every_third)


def test_sets_that_cannot_be_compared_are_named(tmp_path):
    good = write(tmp_path / "good", pictures())
    few = write(tmp_path / "few", pictures(5))
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    np.savez(tmp_path / "floats.npz", arr_0=np.zeros((9, 4, 4, 3)))
    np.savez(tmp_path / "seven.npz", mu=np.zeros(7), sigma=np.eye(7))
    (tmp_path / "cut.npz").write_bytes(b"cut")
    for path, message in {
        few: "holds 5 pictures: scores need 6 or more",
        tmp_path / "other.npz": "has neither arr_0 nor mu and sigma",
        tmp_path / "floats.npz": r"holds float64 of shape \(9, 4, 4, 3\) under arr_0",
        tmp_path / "seven.npz": "statistics of 7 features, and means has 4",
        tmp_path / "cut.npz": "cannot be read as .npz",
        tmp_path / "none": "is neither a folder of images nor an .npz file",
    }.items():
        with pytest.raises(DataError, match=message):
            compare(path, good, Means())


def test_samples_of_a_run_are_scored_on_the_classifier_of_its_data(
    trained, trained_cache, tmp_path, monkeypatch, capsys
):
    shutil.copytree(trained_cache, tmp_path / "cache")
    sample.main([f"run={trained}", "n=20", f"output={tmp_path}/drawn"])
    test = Digits().test_dataset.__getitems__(range(40))["x"].expand(-1, 3, -1, -1)
    levels = (test + 1).mul(127.5).round().byte().permute(0, 2, 3, 1).numpy()
    reference = write(tmp_path / "reference", levels)
    folders = ["folders", f"{tmp_path}/drawn", str(reference), f"run={trained}"]
    eval.__main__.main([*folders, f"output={tmp_path}/scores"])
    found = json.loads((tmp_path / "scores" / "metrics.json").read_text())
    assert found["protocol"]["fd_classifier"]["reference"] == str(reference)
    assert found["protocol"]["fd_classifier"]["n"] == 20
    assert found["protocol"]["fd_classifier"]["n_reference"] == 40
    assert found["fd_classifier"] > 1
    assert "fd_classifier" in capsys.readouterr().out


def test_what_cannot_be_scored_is_said(refused, tmp_path, monkeypatch):
    assert "name two sets" in refused(eval.__main__.main, "folders", "a")
    wrong = refused(eval.__main__.main, "folders", "a", "b", "protocol=ADM")
    assert "protocol is one of plain, adm, got 'ADM'" in wrong
    wrong = refused(eval.__main__.main, "folders", "a", "b", "extractor=dino")
    assert "extractor is one of inception, dinov2, clip, got 'dino'" in wrong

    def offline(*_, **__):
        raise URLError("offline")

    monkeypatch.setattr("data.files.download.urllib.request.urlopen", offline)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    message = refused(eval.__main__.main, "folders", "a", "b")
    assert "or name a run, run=..., to score on the classifier" in message
    for name, file in (
        ("dinov2", "dinov2_vitl14_pretrain.pth"),
        ("clip", "clip-vit-large-patch14-336.safetensors"),
    ):
        message = refused(eval.__main__.main, "folders", "a", "b", f"extractor={name}")
        assert f"put them at {tmp_path / 'cache' / file}" in message
