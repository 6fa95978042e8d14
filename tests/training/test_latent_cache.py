"""Cached latents: those of fresh encoding, kept for one tokenizer and set, whole or made again."""

import json

import numpy as np
import pytest
import torch

from data import Digits, SampleOrder
from ldm.hub.weights import fingerprint
from ldm.training.latent_cache import LatentCache

CPU = torch.device("cpu")


@pytest.fixture(params=["gsq", "gaussian"])
def either(request, make_tokenizer):
    return make_tokenizer(request.param).eval().requires_grad_(False)


def cache_of(folder, tokenizer, data, **options) -> LatentCache:
    def encode(batch):
        return {"raw": tokenizer.encode(batch).raw, "label": batch["label"]}

    return LatentCache(folder, encode, fingerprint(tokenizer), data, **options)


def filled(cache):
    list(cache.fill(CPU))
    return cache


def order(data, stop=192):
    return SampleOrder(len(data.train_dataset), 64, data.seed, stop=stop)


def test_cached_batches_are_those_that_fresh_encoding_gives(either, digits, tmp_path):
    cache = filled(cache_of(tmp_path, either, digits, shard=500))
    fresh = digits.train_batches(0, 192, rank=0, world=1, batch_size=64)
    for cached, batch in zip(cache.batches(order(digits)), fresh, strict=True):
        raw = either.encode(batch).raw
        assert torch.equal(cached["index"], batch["index"])
        assert torch.equal(cached["label"], batch["label"])
        assert cached["raw"].dtype == raw.dtype
        torch.testing.assert_close(cached["raw"], raw, rtol=1e-5, atol=1e-6)


def test_codes_are_stored_as_they_are(make_tokenizer, digits, tmp_path):
    tokenizer = make_tokenizer("gsq").eval()
    cache = filled(cache_of(tmp_path, tokenizer, digits))
    cached = next(iter(cache.batches(order(digits))))
    batch = next(iter(digits.train_batches(0, 64, rank=0, world=1, batch_size=64)))
    assert torch.equal(cached["raw"], tokenizer.encode(batch).codes)


def test_a_prior_trained_from_the_cache_is_the_one_trained_without(
    prior_training, tokenizer, digits, run, tmp_path
):
    cache = filled(cache_of(tmp_path / "latents", tokenizer, digits))
    cached = prior_training()
    cached.batches = lambda t: cache.batches(order(digits, stop=t.samples))
    fresh = run(prior_training(), tmp_path / "fresh")
    run(cached, tmp_path / "cached")
    start = prior_training()
    for moved, one, other in zip(
        start.model.parameters(), fresh.model.parameters(), cached.model.parameters(), strict=True
    ):
        # Batches of another size were encoded: the last digits differ, and Adam magnifies them.
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)
        assert not moved.requires_grad or not torch.equal(one, moved)


def test_both_sides_are_stored_and_drawn_about_equally_often(make_tokenizer, tmp_path):
    data, tokenizer = Digits(flip=True), make_tokenizer("gaussian").eval()
    cache = filled(cache_of(tmp_path, tokenizer, data))
    x = data.train_dataset.__getitems__(list(range(1437)))["x"]
    sides = [tokenizer.encode({"x": side}).raw for side in (x, x.flip(-1))]
    drawn = []
    for batch in cache.batches(order(data, stop=64 * 40)):
        distances = [(batch["raw"] - side[batch["index"]]).abs().amax((1, 2, 3)) for side in sides]
        assert torch.minimum(*distances).max() < 1e-5
        drawn.append(distances[0] > distances[1])
    mirrored = torch.cat(drawn).float().mean()
    assert abs(mirrored - 0.5) < 4 * 0.5 / (64 * 40) ** 0.5  # four standard deviations


def test_another_tokenizer_or_set_has_another_folder(make_tokenizer, digits, tmp_path):
    folders = {
        cache_of(tmp_path, make_tokenizer(seed=seed), data).folder
        for seed in (0, 1)
        for data in (digits, Digits(flip=True))
    }
    assert len(folders) == 4
    again = cache_of(tmp_path, make_tokenizer(seed=0), Digits())
    assert again.folder in folders


def test_an_interrupted_filling_goes_on_at_the_missing_shard(either, digits, tmp_path):
    cache = cache_of(tmp_path, either, digits, shard=400, batch_size=100)
    filling = cache.fill(CPU)
    for _ in range(6):  # the first shard, and half of the second
        next(filling)
    filling.close()
    assert cache.missing() == [("plain", 1), ("plain", 2), ("plain", 3)]
    first = tmp_path / cache.folder / "plain-00000-raw.npy"
    kept = first.stat().st_mtime_ns
    assert sum(cache.fill(CPU)) == 1437 - 400
    assert first.stat().st_mtime_ns == kept
    assert cache.missing() == []


@pytest.mark.parametrize("length", [0, 60, 1000])
def test_a_truncated_shard_is_named_and_made_again(either, digits, tmp_path, length):
    cache = filled(cache_of(tmp_path, either, digits, shard=500))
    path = cache.folder / "plain-00001-raw.npy"
    whole = path.read_bytes()
    path.write_bytes(whole[:length])
    with pytest.warns(UserWarning, match="plain-00001-raw.npy is damaged .* encoding it again"):
        assert sum(cache.fill(CPU)) == 500
    assert path.read_bytes() == whole


@pytest.mark.parametrize("change", [lambda rows: rows[:-1], lambda rows: rows[[0, *range(500)]]])
def test_a_sound_shard_of_a_wrong_count_is_made_again(either, digits, tmp_path, change):
    cache = filled(cache_of(tmp_path, either, digits, shard=500))
    path = cache.folder / "plain-00001-raw.npy"
    whole = path.read_bytes()
    np.save(path, change(np.load(path)))
    with pytest.warns(UserWarning, match=r"holds (499|501) latents, not 500\): encoding it again"):
        assert sum(cache.fill(CPU)) == 500
    assert path.read_bytes() == whole


def test_a_shard_with_one_changed_number_is_made_again(either, digits, tmp_path):
    cache = filled(cache_of(tmp_path, either, digits, shard=500))
    path = cache.folder / "plain-00001-raw.npy"
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.warns(UserWarning, match="raw.npy is damaged .its checksum is wrong.: encoding"):
        assert sum(cache.fill(CPU)) == 500
    assert path.read_bytes() == whole


def test_shards_of_older_versions_without_checksums_are_kept(either, digits, tmp_path):
    cache = filled(cache_of(tmp_path, either, digits, shard=500))
    for path in cache.folder.glob("*.json"):
        path.write_text(json.dumps(sorted(json.loads(path.read_text()))))
    assert cache.missing() == []


def test_shards_of_another_size_are_made_again(either, digits, tmp_path):
    filled(cache_of(tmp_path, either, digits, shard=700))
    cache = cache_of(tmp_path, either, digits, shard=500)
    with pytest.warns(UserWarning, match="holds 700 latents, not 500"):
        filled(cache)
    assert len(cache.dataset()) == sum(map(len, cache.dataset().shards["raw"][0])) == 1437


def test_ranks_share_the_shards_however_their_work_interleaves(either, digits, tmp_path):
    cache = cache_of(tmp_path, either, digits, shard=200)
    first, second = (cache_of(tmp_path, either, digits, shard=200) for _ in range(2))
    filling = first.fill(CPU, rank=0, world=2)
    for _ in range(3):  # one shard is there before the other rank looks
        next(filling)
    list(second.fill(CPU, rank=1, world=2))
    list(filling)
    assert cache.missing() == []


def test_latents_are_mapped_not_read(either, digits, tmp_path):
    dataset = filled(cache_of(tmp_path, either, digits, shard=500)).dataset()
    assert [len(shard) for shard in dataset.shards["raw"][0]] == [500, 500, 437]
    assert all(isinstance(shard, np.memmap) for shard in dataset.shards["raw"][0])


def test_loading_in_other_processes_gives_the_same_batches(either, digits, tmp_path):
    cache = filled(cache_of(tmp_path, either, digits))
    here, there = (list(cache.batches(order(digits), workers)) for workers in (0, 2))
    assert all(torch.equal(a["raw"], b["raw"]) for a, b in zip(here, there, strict=True))
