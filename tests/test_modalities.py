"""Four made-up modalities, added by classes and configurations alone, through the commands.

Sets with a mask in the subspace of zero means, codes under an autoregressive prior, a cascade, and
clips: a user's package `modalities`, allowed by the command line, and a folder of configurations.
"""

import json
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from modalities.sets import mask_of
from PIL import Image
from safetensors.torch import load_file

import eval.__main__
import sample
import train
from ldm.run.loading import load_run
from ldm.run.sampling import draw
from ldm.training.ema import EMA

ALLOW = "allow=[modalities]"
CONFIGS = Path(__file__).parent / "modalities" / "configs"


class Killed(BaseException):
    """Like a kill -9: nothing that stands in its way is called."""


@pytest.fixture(autouse=True)
def own(monkeypatch, tmp_path):
    """The user's folder of configurations; and nobody's package is allowed to begin with."""
    monkeypatch.setenv("LDM_CONFIGS", str(CONFIGS))
    monkeypatch.setenv("LDM_ALLOW", "")
    monkeypatch.setenv("LDM_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """`finished(name)`: the folder of a run of this modality that nothing disturbed."""
    folders = {}

    def run(name: str) -> Path:
        if name not in folders:
            folders[name] = tmp_path_factory.mktemp("modalities") / name
            train.main([ALLOW, f"experiment=modalities/{name}", f"run={folders[name]}"])
        return folders[name]

    return run


@pytest.fixture
def loaded(finished, monkeypatch):
    """`loaded(name)`: the trained parts of this modality."""

    def load(name: str):
        folder = finished(name)
        monkeypatch.setenv("LDM_ALLOW", "modalities")
        return load_run(folder, [])

    return load


def weights(folder: Path) -> dict[str, torch.Tensor]:
    found = {}
    for path in sorted(folder.glob("*/model.safetensors")):
        found |= {f"{path.parent.name}/{name}": x for name, x in load_file(path).items()}
    return found


@pytest.mark.parametrize("name", ["sets", "sets_flow", "codes", "cascade"])
def test_a_modality_of_ones_own_trains_resumes_samples_and_is_scored(
    finished, tmp_path, monkeypatch, name
):
    arguments = [ALLOW, f"experiment=modalities/{name}", f"run={tmp_path}/run"]
    update, steps = EMA.update, iter(range(1, 100))

    def killed(self, model, largest):
        if next(steps) in (4, 7 + 4):
            raise Killed
        update(self, model, largest)

    with monkeypatch.context() as patch:
        patch.setattr(EMA, "update", killed)
        for _ in range(2):
            with pytest.raises(Killed):
                train.main(arguments)
    train.main(arguments)
    whole, parts = weights(finished(name)), weights(tmp_path / "run")
    assert whole.keys() == parts.keys()
    assert all(torch.equal(x, parts[key]) for key, x in whole.items())

    for batch_size in (6, 4):
        given = ["n=6", f"batch_size={batch_size}", f"output={tmp_path}/{batch_size}"]
        sample.main([ALLOW, f"run={tmp_path}/run", *given])
    one, other = (np.load(next((tmp_path / str(k)).glob("*.npz"))) for k in (6, 4))
    for key in one.files:
        assert len(one[key]) == 6
        assert np.allclose(one[key], other[key], atol=1 if one[key].dtype == np.uint8 else 1e-4)

    scores = tmp_path / "run" / "metrics.json"
    scores.unlink(missing_ok=True)
    eval.__main__.main([ALLOW, f"run={tmp_path}/run"])
    assert scores.is_file() == (name != "cascade")  # which names no scorers


def test_without_the_users_word_a_run_folder_names_no_class_of_its_own(
    finished, capsys, monkeypatch
):
    folder = finished("sets")
    monkeypatch.setenv("LDM_ALLOW", "")  # as in a new process, if the run was trained just now
    for main in (sample.main, eval.__main__.main):
        with pytest.raises(SystemExit):
            main([f"run={folder}"])
        assert "add allow=[modalities] to the command" in capsys.readouterr().err


def test_latents_and_what_goes_with_them_are_cached(finished):
    (cache,) = (finished("sets").parent / ".latents").glob("*")
    mask = np.load(cache / "plain-00000-mask.npy")
    raw = np.load(cache / "plain-00000-raw.npy")
    assert (mask.shape, mask.dtype, raw.shape) == ((64, 5), bool, (64, 5, 2))
    assert (raw[~mask] == 0).all()
    (cache,) = (finished("codes").parent / ".latents").glob("*")
    assert np.load(cache / "plain-00000-raw.npy").dtype == np.int64
    assert np.load(cache / "plain-00000-label.npy").shape == (1437,)


class TestSets:
    @pytest.mark.parametrize("name", ["sets", "sets_flow"])
    def test_samples_stay_in_the_subspace_and_have_the_size_that_is_asked(
        self, finished, name, tmp_path
    ):
        scores = json.loads((finished(name) / "metrics.json").read_text())
        assert scores["mean"] < 1e-5
        assert scores["padding"] == 0
        sample.main(
            [ALLOW, f"run={finished(name)}", "n=4", "condition.size=3", f"output={tmp_path}"]
        )
        drawn = np.load(tmp_path / "sets.npz")
        assert (drawn["mask"].sum(1) == 3).all()
        assert np.abs(drawn["x"][:, :3]).min() > 0

    @pytest.mark.parametrize("name", ["sets", "sets_flow"])
    def test_the_loss_is_blind_to_padding(self, loaded, name):
        prior = loaded(name).prior
        mask = mask_of(torch.tensor([2, 3, 5]), 5)
        latent = prior.space.on({"mask": mask}).random(3, torch.Generator().manual_seed(0))
        junk = torch.where(mask[..., None], latent, 7.0)
        one, other = (
            prior.loss(x, {"mask": mask}, torch.Generator().manual_seed(1))["loss"]
            for x in (latent, junk)
        )
        torch.testing.assert_close(one, other)

    def test_a_sample_is_the_same_whatever_the_padding(self, loaded):
        parts = loaded("sets_flow")
        wide = loaded("sets_flow")
        wide.prior.process.space = type(wide.prior.space)(7)
        wide.tokenizer.bottleneck.space = wide.prior.process.space
        wide.data.places = 7
        narrow, broad = (draw(one, range(6), seed=3).batch for one in (parts, wide))
        assert narrow["mask"].sum(1).tolist() == broad["mask"].sum(1).tolist()
        torch.testing.assert_close(broad["x"][:, :5], narrow["x"], atol=1e-5, rtol=1e-5)

    def test_a_density_has_the_dimension_of_each_sets_own_subspace(self, loaded):
        from ldm.samplers import Likelihood

        prior = loaded("sets_flow").prior
        for parameter in prior.backbone.parameters():
            parameter.zero_()  # a flow that stands still: the density is that of the base
        mask = mask_of(torch.tensor([2, 3, 5]), 5)
        latent = prior.space.on({"mask": mask}).random(3, torch.Generator().manual_seed(0))
        found = prior.log_prob(latent, {"mask": mask}, Likelihood(steps=2))
        dims = 2 * (mask.sum(1) - 1)
        normal = torch.distributions.Normal(0.0, 1.0)
        expected = -0.5 * latent.square().sum((1, 2)) + dims * normal.log_prob(torch.zeros(()))
        torch.testing.assert_close(found, expected)


def test_an_autoregressive_prior_draws_codes_that_the_quantiser_decodes(loaded):
    parts = loaded("codes")
    batch, codes = draw(parts, range(5), seed=0)
    parts.prior.space.check(codes)
    assert batch["label"].tolist() == [0, 1, 2, 3, 4]
    expected = parts.tokenizer.decoder(parts.tokenizer.bottleneck.codes_to_latent(codes))
    torch.testing.assert_close(batch["x"], expected)


def test_the_fine_prior_of_a_cascade_is_told_what_the_coarse_one_drew(loaded, monkeypatch):
    parts, told = loaded("cascade"), []
    coarse, fine = parts.models["coarse"], parts.models["fine"]
    first = coarse.sample
    monkeypatch.setattr(coarse, "sample", lambda *a, **k: told.append(first(*a, **k)) or told[-1])
    second = fine.sample
    monkeypatch.setattr(
        fine,
        "sample",
        lambda n, told, *a, **k: second(n, told, *a, **k) * 0 + told["coarse"].mean(),
    )
    x = draw(parts, range(3), seed=0).batch["x"]
    assert told[0].shape == (3, 1, 2, 2)
    torch.testing.assert_close(x, told[0].mean().expand_as(x))
    assert parts.stage == "fine"
    assert list(parts.models) == ["pool", "coarse", "tokenizer", "fine"]


def test_clips_are_pictures_that_move_wherever_pictures_are(finished, tmp_path):
    folder = finished("clips")
    report = (folder / "report.html").read_text()
    assert report.count("data:image/gif;base64,") == 2  # while training, and of the evaluation
    sample.main([ALLOW, f"run={folder}", "n=2", f"output={tmp_path}/drawn"])
    for gif in (*folder.glob("prior/samples/*.gif"), tmp_path / "drawn-overview.gif"):
        with Image.open(gif) as picture, av.open(str(gif.with_suffix(".mp4"))) as film:
            assert (picture.format, picture.n_frames) == ("GIF", 3)
            assert len(list(film.decode(video=0))) == 3
    levels = np.load(tmp_path / "drawn" / "samples.npz")["arr_0"]
    assert levels.shape == (2, 3, 8, 8, 3)
    with av.open(str(tmp_path / "drawn" / "00001.mp4")) as film:
        shown = np.stack([frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)])
    assert np.abs(shown.astype(float) - levels[1]).mean() < 6  # of 255, by compression


def test_motion_is_drawn_of_first_frames(finished, tmp_path):
    folder = finished("motion")
    sample.main([ALLOW, f"run={folder}", "n=5", f"output={tmp_path}/drawn"])
    parts = load_run(folder, [])
    levels = np.load(tmp_path / "drawn" / "samples.npz")["arr_0"]
    assert levels.shape == (5, 2, 128, 128, 3)
    drawn = draw(parts, range(5), seed=0).batch
    assert torch.equal(drawn["first_frame"][0], drawn["first_frame"][4])  # of four test clips
    assert not torch.equal(drawn["x"][0], drawn["x"][4])
