"""Shards of latents: those of the cache, drawn once, and of one tokenizer and set alone."""

import re

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from data import Digits, SampleOrder
from data.files.errors import DataError
from data.loading import BatchLoader
from ldm.training.latent_cache import LatentCache
from ldm.training.latent_shards import LatentShards, write_shards
from ldm.training.latents import Latents

N = 1437


def measured(make_tokenizer, seed=0):
    tokenizer = make_tokenizer("gaussian", seed=seed).eval().requires_grad_(False)
    tokenizer.encoder[-1].bias[4:] = -30.0  # a posterior without noise
    tokenizer.encoder[-1].weight[4:] = 0.0
    tokenizer.measure([tokenizer.encode(Digits().train_dataset.__getitems__(range(100)))])
    return tokenizer


@pytest.fixture
def tokenizer(make_tokenizer):
    return measured(make_tokenizer)


@pytest.fixture
def folder(tokenizer, tmp_path):
    """Shards of digits and their mirror images, 500 in each."""
    latents = Latents(tokenizer)
    cache = LatentCache(tmp_path / "cache", latents.encode, "x", Digits(flip=True), shard=500)
    list(cache.fill(torch.device("cpu")))
    write_shards(tmp_path / "latents", cache.dataset(), tokenizer)
    return tmp_path / "latents"


def batches(shards, start=0, workers=0):
    order = SampleOrder(len(shards), 64, seed=0, start=start, stop=512)
    return list(BatchLoader(shards, order, workers))


def change(path, **tensors):
    """Write a shard again with other tensors; None removes one."""
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    merged = load_file(path) | tensors
    save_file({key: x for key, x in merged.items() if x is not None}, path, metadata)


def test_files_are_those_of_the_published_layout(folder, tokenizer):
    first, *_ = sorted(folder.glob("*.safetensors"))
    assert first.name == "latents_rank00_shard000.safetensors"
    found = load_file(first)
    assert {key: (tuple(x.shape), x.dtype) for key, x in found.items()} == {
        "latents": ((500, 4, 4, 4), torch.float32),
        "latents_flip": ((500, 4, 4, 4), torch.float32),
        "labels": ((500,), torch.int64),
    }
    numbers = torch.load(folder / "latents_stats.pt", weights_only=True)
    assert torch.equal(numbers["mean"], tokenizer.mean.view(1, 4, 1, 1))
    assert torch.equal(numbers["std"], tokenizer.std.view(1, 4, 1, 1))


def test_a_prior_reads_the_latents_that_encoding_gives_of_one_side_or_the_other(folder, tokenizer):
    shards, data, drawn = LatentShards(folder), Digits().train_dataset, []
    shards.check(tokenizer, 10)
    assert len(shards) == N
    for batch in batches(shards):
        latent, told = Latents(tokenizer).read(batch)
        images = data.__getitems__(batch["index"].tolist())
        assert torch.equal(told["label"], images["label"])
        sides = [
            Latents(tokenizer).read({**images, "x": x})[0]
            for x in (images["x"], images["x"].flip(-1))
        ]
        apart = [(latent - side).abs().amax((1, 2, 3)) for side in sides]
        assert torch.minimum(*apart).max() < 1e-4
        drawn.append(apart[0] > apart[1])
    assert abs(torch.cat(drawn).float().mean() - 0.5) < 4 * 0.5 / 512**0.5


def test_batches_resume_and_are_the_same_from_workers(folder):
    all_of_them = batches(LatentShards(folder))
    for others in (batches(LatentShards(folder), start=128), batches(LatentShards(folder), 128, 2)):
        for one, other in zip(all_of_them[2:], others, strict=True):
            assert all(torch.equal(one[key], other[key]) for key in one)


def test_shards_without_mirror_images_are_read_plain(folder):
    for path in folder.glob("*.safetensors"):
        change(path, latents_flip=None)
    batch = LatentShards(folder).__getitems__(next(iter(SampleOrder(N, 8, seed=0, stop=8))))
    whole = torch.cat([load_file(p)["latents"] for p in sorted(folder.glob("*.safetensors"))])
    assert torch.equal(batch["latent"], whole[batch["index"]])


def test_latents_of_another_tokenizer_are_refused(folder, tokenizer, make_tokenizer):
    shards, other = LatentShards(folder), measured(make_tokenizer, seed=1)
    with pytest.raises(DataError, match=r"shard000.safetensors holds latents of the tokenizer"):
        shards.check(other, 10)
    for path in folder.glob("*.safetensors"):  # as others write them
        save_file(load_file(path), path)
    with pytest.raises(DataError, match=r"latents_stats.pt has the means .* another tokenizer"):
        LatentShards(folder).check(other, 10)
    LatentShards(folder).check(tokenizer, 10)
    for path in folder.glob("*.safetensors"):
        change(path, latents=torch.zeros(500, 3, 4, 4)[: len(load_file(path)["labels"])])
    with pytest.raises(DataError, match=re.escape("shape (3, 4, 4), and the tokenizer has (4, 4")):
        LatentShards(folder).check(tokenizer, 10)


def test_faults_of_shards_are_named(folder, tokenizer, tmp_path):
    path = folder / "latents_rank00_shard001.safetensors"
    whole = path.read_bytes()
    with pytest.raises(DataError, match="has labels 0 to 9, and the data 5 classes"):
        LatentShards(folder).check(tokenizer, 5)
    change(path, labels=torch.zeros(499, dtype=torch.int64))
    with pytest.raises(DataError, match=r"shard001.safetensors should hold as many of each"):
        LatentShards(folder)
    change(path, labels=None)
    with pytest.raises(DataError, match=r"shard001.safetensors lacks labels"):
        LatentShards(folder)
    path.write_bytes(whole)
    change(path, latents_flip=None)
    with pytest.raises(DataError, match=r"shard001.safetensors holds \['labels', 'latents'\], and"):
        LatentShards(folder)
    path.write_bytes(whole[:-100])
    with pytest.raises(DataError, match=r"shard001.safetensors is truncated"):
        LatentShards(folder)
    with pytest.raises(DataError, match="no latents in"):
        LatentShards(tmp_path / "none")
