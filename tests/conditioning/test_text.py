"""Captions as conditions: what a network reads of them, their dropping and their null."""

import pytest
import torch
from embedded import Letters

from data.images.captions import as_text
from ldm.conditioning import Conditioning, Labels, Text
from ldm.spaces import Flat
from ldm.tokenizers import Identity
from ldm.training.latents import Latents

CPU = torch.device("cpu")
CAPTIONS = ["a seven", "", "three", "a digit"]
BATCH = {"text": as_text(CAPTIONS, 12), "label": torch.arange(4)}


def told(rate: float = 0.1, **options) -> Conditioning:
    return Conditioning(text=Text(Letters(masked=True), rate, **options))


def test_a_network_reads_embeddings_their_mask_and_a_vector_where_asked_for():
    found, embedded = told(pooled=True).read(BATCH), Letters()(CAPTIONS, CPU)
    assert found.keys() == {"text", "text_mask", "text_pooled"}
    assert torch.equal(found["text"], embedded.tokens)
    assert torch.equal(found["text_mask"], embedded.mask)
    assert torch.equal(found["text_pooled"], embedded.pooled)
    assert told().read(BATCH).keys() == {"text", "text_mask"}
    assert Conditioning(text=Text(Letters())).read(BATCH).keys() == {"text"}


def test_what_is_embedded_is_not_embedded_again():
    reads = told(pooled=True)
    once = reads.read(BATCH)
    reads.dropped["text"].encoder = Letters.unreadable()
    again = reads.read({**once, "label": BATCH["label"]})
    assert again.keys() == once.keys()
    assert all(torch.equal(again[key], once[key]) for key in once)


def test_null_is_the_empty_caption_in_every_entry():
    reads = told(pooled=True)
    null, empty = reads.null(reads.read(BATCH)), reads.read({"text": as_text([""] * 4, 12)})
    assert null.keys() == empty.keys()
    assert all(torch.equal(null[key], empty[key]) for key in null)


def test_a_caption_is_dropped_as_a_whole_and_apart_from_labels():
    many = {key: value.repeat(500, *[1] * (value.ndim - 1)) for key, value in BATCH.items()}
    reads = Conditioning(text=Text(Letters(masked=True), 0.5, pooled=True), label=Labels(4, 0.5))
    given = reads.read(many)
    found, null = reads.drop(given, torch.Generator().manual_seed(0)), reads.null(given)
    lost = (found["text"] == null["text"]).flatten(1).all(1)
    for key in ("text", "text_mask", "text_pooled"):
        rows = lost.view(-1, *[1] * (found[key].ndim - 1))
        assert torch.equal(found[key], torch.where(rows, null[key], given[key]))
    # Of the captions that are not empty, half are lost, and half of these have lost their label.
    written = torch.tensor([bool(caption) for caption in CAPTIONS]).repeat(500)
    assert lost[written].float().mean().item() == pytest.approx(0.5, abs=0.05)
    unlabelled = (found["label"] == 4)[written & lost].float().mean().item()
    assert unlabelled == pytest.approx(0.5, abs=0.07)


def test_checks_of_shapes_read_no_files():
    reads = Conditioning(text=Text(Letters.unreadable(), pooled=True)).brief()
    example = reads.example(3)
    given = {key: value.to("meta") for key, value in example.items()}
    for found in (reads.drop(given), reads.null(given), reads.read(BATCH)):
        assert {key: value.shape[1:] for key, value in found.items()} == {
            key: value.shape[1:] for key, value in example.items()
        }
    reads.check()


def test_latents_keep_embeddings_and_are_known_by_their_encoder():
    batch = {"x": torch.zeros(4, 2), **BATCH}
    latents = Latents(Identity(Flat([2])), conditioning=told())
    stored = latents.encode(batch)
    assert stored["text"].shape == (4, 6, 8)
    assert stored["text_mask"].dtype == torch.bool
    assert torch.equal(stored["label"], BATCH["label"])
    plain = Latents(Identity(Flat([2])))
    assert torch.equal(plain.encode(batch)["text"], BATCH["text"])
    assert latents.identity == f"{plain.identity}-text=letters"
