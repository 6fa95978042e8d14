"""Texts that images are asked for by, and captions made of classes."""

import json

import pytest
import torch

from data import DataError, Digits
from data.images.captions import as_strings
from data.images.prompts import DIGITS, read_prompts


def test_a_file_holds_one_prompt_a_line(tmp_path):
    path = tmp_path / "prompts.txt"
    path.write_text("a seven\n\n  the digit é \n")
    assert read_prompts(str(path)) == ["a seven", "the digit é"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("missing.txt", r"missing\.txt cannot be read as a file of prompts"),
        ([], r"got \[\]: give a prompt, a list of prompts, or a \.txt file"),
        (None, "got None: give a prompt"),
        (["a", {"b": 1}], "got {'b': 1}: give a prompt"),
        ("x" * 5000, "has at most 4096 bytes"),
        ("\ud800", "has at most 4096 bytes"),
    ],
)
def test_what_is_no_prompt_is_refused(text, message):
    with pytest.raises(DataError, match=message):
        read_prompts(text)


@pytest.fixture(scope="module")
def digits():
    return Digits(captions=True)


def test_captions_name_the_class_in_sentences_that_vary(digits):
    batch = digits.train_dataset.__getitems__(list(range(400)))
    texts = as_strings(batch["text"])
    for text, label in zip(texts, batch["label"].tolist(), strict=True):
        assert text.endswith(DIGITS.names[label])
    assert len(set(texts)) == 40  # each digit in each sentence
    assert batch["text"].shape[1] == digits.example(1)["text"].shape[1] == DIGITS.width
    assert digits.fingerprint != Digits().fingerprint


def test_what_is_asked_for_by_its_class_has_a_caption_of_it(digits):
    asked = digits.requests(range(20), 0)
    assert asked["label"].tolist() == [*range(10)] * 2
    for text, label in zip(as_strings(asked["text"]), asked["label"].tolist(), strict=True):
        assert text.endswith(DIGITS.names[label])
    assert as_strings(digits.requests([5], 0, label=7)["text"])[0].endswith("seven")


def test_prompts_are_taken_in_turn_by_the_sample_alone(digits):
    prompts = ["a seven", "", "x" * 99]
    whole = digits.requests(range(5), 0, text=prompts)
    assert as_strings(whole["text"]) == [*prompts, *prompts[:2]]
    assert "label" not in whole
    one = digits.requests([3], 0, text=prompts)
    assert torch.equal(
        one["text"], whole["text"][3:4]
    )  # of one width, so that shares can be joined


def test_a_label_and_a_text_cannot_both_be_asked_for(digits):
    with pytest.raises(DataError, match="a label or for a text, not for both"):
        digits.requests([0], 0, label=3, text="a seven")


def test_captions_are_saved_as_a_table_that_folders_are_read_with(digits, tmp_path):
    batch = digits.requests(range(2), 0, text=["a seven", "é"])
    digits.save(tmp_path, {"x": torch.zeros(2, 1, 8, 8), **batch})
    lines = (tmp_path / "metadata.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [
        {"file_name": "00000.png", "text": "a seven"},
        {"file_name": "00001.png", "text": "é"},
    ]
