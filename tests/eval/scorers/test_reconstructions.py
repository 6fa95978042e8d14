"""Scores of sets of reconstructions: from originals, from training data, and by a classifier."""

import pytest
import torch
from torch import nn

from data import Digits
from data.images.base import MemoryImages
from eval.evaluation import Evaluation
from eval.extractors import Extractor, Features
from eval.metrics import inception_score, to_uint8
from eval.record import Record
from eval.scorers.reconstructions import Reconstructions
from ldm.config.compose import compose
from ldm.losses import LPIPS
from ldm.run.parts import Parts
from ldm.spaces import Flat
from ldm.tokenizers import Identity

SIDE = 32


class Columns(Extractor):
    """The means of the first two columns of a picture; those of five are its logits."""

    name, feature_size, protocol = "inception", 2, {}

    def forward(self, images):
        x = images.float().mean((1, 2))
        return Features(x[:, :2], x[:, :5] / 100)


class Halves(Digits):
    """Pictures of random levels: those of training are brighter by 50."""

    size = SIDE

    def load(self, split):
        generator = torch.Generator().manual_seed(0)
        x = torch.randint(200, (40, 1, SIDE, SIDE), generator=generator).byte()
        return MemoryImages(x + 50 * (split == "train"), torch.zeros(40, dtype=torch.int64))


@pytest.fixture
def found(tmp_path, monkeypatch):
    """`found(**options)`: the record of a tokenizer that changes nothing."""
    monkeypatch.setattr(Reconstructions, "build_extractor", lambda *_: Columns())
    monkeypatch.setattr(LPIPS, "load", lambda self: nn.init.ones_(self.heads[0]))
    config = compose(["experiment=demo/digits", f"run={tmp_path}"])
    parts = Parts(config, Halves(), {"tokenizer": Identity(Flat([1, SIDE, SIDE]))})

    def score(**options):
        record = Record()
        Evaluation(["reconstructions"], **options).score(parts, record)
        return parts.data, record

    return score


def test_reconstructions_are_also_compared_with_all_training_data(found):
    _, record = found(extractor="inception", against_train=True)
    assert record.values["rfid"] == pytest.approx(0, abs=1e-6)
    assert record.values["rfid_train"] == pytest.approx(2 * 50**2, rel=1e-5)
    assert record.protocols["rfid_train"]["reference"] == "train"


def test_the_inception_score_is_that_of_the_reconstructions(found):
    data, record = found(extractor="inception")
    x = to_uint8(data.test_dataset.__getitems__(list(range(40)))["x"])
    expected = inception_score(Columns()(x).logits)["mean"].item()
    assert record.values["rinception_score"] == pytest.approx(expected)
    assert expected > 1


def test_a_split_is_chosen_and_recorded(found):
    _, record = found(split="train")
    assert record.protocols["psnr"]["split"] == "train"
    assert found()[1].protocols["psnr"]["split"] == "test"


def test_both_perceptual_distances_have_their_names(found):
    values = found(lpips=True, lpips_vgg=True)[1].values
    assert values["lpips"] == values["lpips_vgg"] == 0
    assert "lpips_vgg" not in found(lpips=True)[1].values


def test_every_measure_of_tokenizers_papers_is_one_evaluation():
    scorers = compose(["experiment=taming/vqgan_f16_1024"]).eval
    assert scorers.scorers == ["reconstructions", "rfid_protocols"]
    assert scorers.lpips
    assert scorers.lpips_vgg
    assert scorers.against_train


def test_a_distance_from_training_data_needs_an_extractor():
    with pytest.raises(ValueError, match="against_train needs an extractor"):
        Reconstructions(against_train=True)
