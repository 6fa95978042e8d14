"""The classifier learns digits, comes back from its cache, and measures differences."""

import pytest
import torch

from data.images.digits import Digits
from eval.extractors import Classifier
from eval.extractors.trained import Settings
from eval.metrics import FrechetDistance, to_uint8

SETTINGS = Settings(samples=16_000)


def split(data: Digits, name: str) -> torch.Tensor:
    return to_uint8(torch.cat([batch["x"] for batch in data.ordered_batches(name, 500)]))


@pytest.fixture(scope="module")
def data():
    return Digits()


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("classifiers")


@pytest.fixture(scope="module")
def classifier(data, cache):
    return Classifier.trained(data, cache, SETTINGS)


def test_it_reads_digits_and_says_how_well(classifier):
    assert classifier.protocol["accuracy"] >= 0.97
    assert classifier.protocol["trained_on"].startswith("digits ")


def test_the_cache_gives_back_the_same_network_and_other_settings_another(data, cache, classifier):
    x = split(data, "test")
    again = Classifier.trained(data, cache, SETTINGS)
    torch.testing.assert_close(again(x), classifier(x), rtol=0, atol=0)
    assert again.protocol == classifier.protocol
    Classifier.trained(data, cache, Settings(samples=64))
    assert len(list(cache.iterdir())) == 2


def test_distances_have_a_small_floor_and_grow_with_damage(data, classifier):
    train, test = split(data, "train"), split(data, "test")

    def distance(x: torch.Tensor) -> float:
        metric = FrechetDistance(classifier.feature_size)
        metric.update(classifier(train).pooled, real=True)
        metric.update(classifier(x).pooled, real=False)
        return metric.compute().item()

    noise = torch.randn(test.shape, generator=torch.Generator().manual_seed(0))
    damaged = [(test + scale * noise).clamp(0, 255).byte() for scale in (60, 120)]
    floor, some, more = (distance(x) for x in (test, *damaged))
    assert 0.01 < floor < 3
    assert floor < 0.8 * some < 0.5 * more


def test_training_repeats_itself_and_leaves_the_callers_randomness_alone():
    generator = torch.Generator().manual_seed(1)
    x = torch.randint(0, 256, (40, 3, 12, 12), dtype=torch.uint8, generator=generator)
    y = torch.arange(40) % 4
    first, second = (Classifier((3, 12, 12), 4, Settings(samples=256)) for _ in range(2))
    before = torch.get_rng_state()
    first.fit(x, y)
    second.fit(x, y)
    assert torch.equal(torch.get_rng_state(), before)
    torch.testing.assert_close(first(x), second(x), rtol=0, atol=0)
    assert not first.training
    assert not any(p.requires_grad for p in first.parameters())


@pytest.mark.parametrize(
    ("channels", "size"), [(1, (8, 8)), (3, (32, 32)), (3, (64, 64)), (1, (8, 64)), (3, (32, 10))]
)
def test_any_picture_size_gives_features_and_logits(channels, size):
    model = Classifier((channels, *size), 7, Settings(feature_size=24))
    features = model(torch.zeros(2, channels, *size, dtype=torch.uint8))
    assert features.pooled.shape == (2, 24)
    assert features.logits.shape == (2, 7)


def test_bad_pictures_data_and_caches_are_refused(data, cache, classifier):
    with pytest.raises(ValueError, match=r"x of shape \(1, 8, 8\), got \(3, 8, 8\)"):
        classifier(torch.zeros(1, 3, 8, 8, dtype=torch.uint8))
    for path in cache.iterdir():
        path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match="damaged, delete it"):
        Classifier.trained(data, cache, SETTINGS)


def test_its_training_shows_how_far_it_is(capsys):
    images, labels = torch.zeros(64, 1, 8, 8, dtype=torch.uint8), torch.zeros(64, dtype=torch.int64)
    Classifier((1, 8, 8), 2, Settings(samples=128, width=2)).fit(images, labels)
    assert "classifier: 2/2 in" in capsys.readouterr().out


def test_clips_are_refused():
    with pytest.raises(ValueError, match=r"reads images, .* eval=motion"):
        Classifier([1, 4, 16, 16], classes=10)
