"""Images in memory: range and mirroring."""

import math

import torch

from data import Digits
from data.images.base import MemoryImages
from data.order import Draw


def memory(n=8, flip=True) -> MemoryImages:
    images = torch.randint(0, 256, (n, 3, 4, 4), generator=torch.Generator().manual_seed(0))
    return MemoryImages(images.to(torch.uint8), torch.arange(n), flip=flip)


def test_bytes_are_scaled_to_minus_one_to_one():
    images = torch.tensor([0, 51, 255], dtype=torch.uint8).reshape(3, 1, 1, 1)
    x = MemoryImages(images, torch.zeros(3, dtype=torch.int64)).__getitems__([0, 1, 2])["x"]
    torch.testing.assert_close(x.flatten(), torch.tensor([-1.0, -0.6, 1.0]))


def test_half_of_the_draws_are_mirrored_depending_on_the_seed():
    data = memory()
    plain = data.__getitems__([0])["x"]
    x = data.__getitems__([Draw(0, seed) for seed in range(2000)])["x"]
    mirrored = (x == plain.flip(-1)).flatten(1).all(1)
    assert torch.equal(mirrored, ~(x == plain).flatten(1).all(1))
    assert abs(mirrored.sum().item() - 1000) < 5 * math.sqrt(500)
    assert torch.equal(x, data.__getitems__([Draw(0, seed) for seed in range(2000)])["x"])


def test_a_batch_equals_its_items_and_plain_indices_are_not_augmented():
    data = memory()
    items = [3, Draw(1, 5), 0, Draw(3, 6)]
    batch = data.__getitems__(items)
    for row, item in enumerate(items):
        for key, value in data[item].items():
            assert torch.equal(batch[key][row], value)
    assert torch.equal(data[3]["x"], memory(flip=False)[3]["x"])


def test_an_index_beyond_the_end_stops_iteration():
    assert [item["index"].item() for item in memory(3)] == [0, 1, 2]


def test_a_pixel_becomes_the_nearest_byte():
    level = torch.arange(256).view(-1, 1, 1, 1)
    for part, expected in ((-0.4, level), (0.4, level), (0.6, (level + 1).clamp(max=255))):
        pixels = (level + part) / 127.5 - 1
        assert torch.equal(Digits().compact({"x": pixels})["x"].long(), expected)
