"""Scores of how samples move, on clips whose motion is known."""

import pytest
import torch

import eval.scorers.videos.motion as scorer
from eval.evaluate import evaluate
from eval.record import Record
from eval.scorers.videos import Motion
from ldm.config.compose import ConfigError, compose
from ldm.run.parts import Parts, build_data


@pytest.fixture
def drawn(monkeypatch):
    """`drawn(x)`: makes these the samples of any prior."""
    return lambda x: monkeypatch.setattr(scorer, "drawn_samples", lambda *_: {"x": x})


def test_samples_that_move_as_data_have_the_distance_of_data(clips, drawn):
    parts = clips()
    test = parts.data.test_dataset.__getitems__(range(40))["x"]
    record = Record()
    drawn(test)
    Motion(samples=40).score(parts, record)
    assert record.values["speed_w1"] == 0
    assert record.values["speed_w1_floor"] > 0
    assert record.values["speed"] == record.values["speed_real"] > 1
    assert record.protocols["speed_w1"]["n_reference"] == 40


def test_still_samples_lack_the_speed_of_data_and_fading_ones_drift(clips, drawn):
    parts = clips()
    test = parts.data.test_dataset.__getitems__(range(40))["x"]
    still, record = test[:, :, :1].repeat(1, 1, 4, 1, 1), Record()
    drawn(still)
    Motion(samples=40).score(parts, record)
    assert record.values["speed"] == 0
    assert record.values["speed_w1"] == pytest.approx(record.values["speed_real"])
    assert record.values["brightness_change"] == 0
    fading = torch.tensor([1.0, 0.5, 0.5, -0.5]).view(4, 1, 1).expand(40, 1, -1, 16, 16)
    drawn(fading.contiguous())
    Motion(samples=40).score(parts, record)
    assert record.values["brightness_drift"] == 64 - 255  # 191.25 + 64.25 - 0.5, in whole levels
    assert record.values["brightness_change"] == 255 - 64
    assert abs(record.values["brightness_drift_real"]) < 30


def test_an_evaluation_of_clips_scores_motions_classes_and_reconstructions(clips):
    scores = evaluate(clips("eval=motion", "eval.samples=20"))
    names = {"psnr", "flicker", "rfd_motion_classifier", "fd_motion_classifier", "speed_w1"}
    assert names | {"label_accuracy", "fd_motion_classifier_floor"} <= scores.keys()
    assert scores["psnr"] == torch.inf  # pixels are their own latents
    assert scores["flicker"] == 0


def test_samples_that_a_scorer_keeps_are_not_drawn_again(clips, monkeypatch):
    parts, calls = clips("eval=motion", "eval.samples=20"), []
    sample = parts.prior.sample
    monkeypatch.setattr(parts.prior, "sample", lambda n, *a: calls.append(n) or sample(n, *a))
    evaluate(parts)
    assert calls == [20]


def test_what_is_no_clip_of_frames_is_refused(clips):
    images = compose(["experiment=demo/digits"])
    with pytest.raises(ConfigError, match="digits holds no videos"):
        Motion().check(Parts(images, build_data(images)))
    parts = clips()
    parts.data.frames = 1
    with pytest.raises(ConfigError, match="one frame do not move"):
        Motion().check(parts)
