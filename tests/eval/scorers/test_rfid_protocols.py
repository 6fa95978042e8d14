"""Three protocols of one tokenizer's reconstructions: their bytes, resize, precision and names."""

import pytest
import torch
from torch import nn

from data import Digits
from data.images.base import MemoryImages
from eval.evaluation import Evaluation
from eval.extractors import Extractor, Features
from eval.metrics import from_uint8, to_uint8, truncated
from eval.record import Record
from eval.scorers import rfid_protocols
from ldm.config.compose import compose
from ldm.config.signatures import ConfigError
from ldm.run.parts import Parts
from ldm.spaces import Flat
from ldm.tokenizers import Identity


class Means(Extractor):
    """The mean level of a picture, and of its upper half, by the protocol that it is given."""

    name, feature_size = "inception", 2

    def __init__(self, resize, precision) -> None:
        super().__init__()
        self.protocol = {"resize": resize, "precision": precision}
        self.weight = nn.Parameter(torch.zeros(()))
        self.freeze()

    def forward(self, images):
        x = images.double()
        return Features(torch.stack([x.mean((1, 2, 3)), x[:, :, :4].mean((1, 2, 3))], 1).float())


class Brighter(Identity):
    """An identity that brightens by a share of a level."""

    def __init__(self, levels: float) -> None:
        super().__init__(Flat([1, 8, 8]))
        self.levels = levels

    def decode(self, latent, context=None, generator=None):
        return {"x": latent + self.levels / 127.5}

    def _decode(self, latent, context):
        return self.decode(latent)


class Levels(Digits):
    """Pictures of random levels, none of them white."""

    def load(self, split):
        x = torch.randint(250, (40, 1, 8, 8), generator=torch.Generator().manual_seed(0))
        return MemoryImages(x.byte(), torch.zeros(40, dtype=torch.int64))


@pytest.fixture
def found(tmp_path, monkeypatch):
    """`found(levels)`: the record of a tokenizer that brightens by so many levels."""
    monkeypatch.setattr(rfid_protocols, "Inception", Means)
    config = compose(["experiment=demo/digits", f"run={tmp_path}"])

    def score(levels):
        record = Record()
        evaluation = Evaluation(["rfid_protocols"], extractor="inception")
        evaluation.score(Parts(config, Levels(), {"tokenizer": Brighter(levels)}), record)
        return record

    return score


def test_an_identity_is_at_no_distance_by_any_protocol(found):
    assert found(0.0).values == {
        "rfid_gsq": pytest.approx(0, abs=1e-8),
        "rfid_compvis": pytest.approx(0, abs=1e-8),
        "rfid_va_vae": pytest.approx(0, abs=1e-8),
    }


def test_what_rounds_down_to_one_level_less_does_so_in_one_protocol_alone(found):
    # Minus four tenths of a level round to nothing, or down to a level less, but for those
    # originals that lose a level already since 255 (x + 1) / 2 is not quite whole.
    values = found(-0.4).values
    assert 1 < values["rfid_gsq"] < 2.1  # at most the square of a level, in two means
    assert values["rfid_compvis"] == values["rfid_va_vae"] == pytest.approx(0, abs=1e-8)


def test_each_score_stands_beside_its_protocol(found):
    protocols = found(0.0).protocols
    assert [protocols[f"rfid_{name}"]["resize"] for name in ("gsq", "compvis", "va_vae")] == [
        "tf1",
        "tf1",
        "pytorch_fid",
    ]
    assert protocols["rfid_gsq"]["precision"] == "bfloat16"
    assert protocols["rfid_va_vae"]["precision"] == "float32"
    assert protocols["rfid_gsq"]["pixels"] == "bytes, rounded down"
    assert protocols["rfid_gsq"]["n"] == 40


def test_bytes_of_torchmetrics_are_rounded_down():
    levels = torch.arange(256, dtype=torch.uint8)
    x = from_uint8(levels)
    assert (truncated(x + 0.2 / 127.5) == levels).all()
    assert (truncated(x - 0.2 / 127.5)[1:] == levels[:-1]).all()
    assert (to_uint8(x - 0.2 / 127.5) == levels).all()


def test_other_extractors_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("eval.scorers.pixel_scorer._find", lambda *_: None)
    config = compose(["experiment=demo/digits", f"run={tmp_path}"])
    parts = Parts(config, Levels(), {"tokenizer": Brighter(0.0)})
    with pytest.raises(ConfigError, match=r"are of Inception, got eval.extractor=clip"):
        Evaluation(["rfid_protocols"], extractor="clip").check(parts)
