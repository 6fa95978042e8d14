"""Laws of degraded images: coarse ones, ones with holes, and those of a user."""

import numpy as np
import pytest
import torch
from PIL import Image

from data import CIFAR10, DataError, Degraded, Digits, Draw, ImageShards, MovingDigits
from data.images.degradation import Coarse
from data.images.masks import Masked

SIZE = 32


def images(n=4):
    generator = torch.Generator().manual_seed(0)
    return torch.rand(n, 3, SIZE, SIZE, generator=generator) * 2 - 1


def seeds(n=4):
    return np.arange(n, dtype=np.uint64)


def test_a_coarse_image_has_the_means_of_smooth_ones():
    ramp = torch.linspace(-0.9, 0.9, SIZE).expand(1, 3, SIZE, SIZE)
    coarse = Coarse(4)(ramp, seeds(1))
    assert coarse.shape == (1, *Coarse(4).shape((3, SIZE, SIZE)))
    means = ramp.unflatten(-1, (-1, 4)).mean(-1)[..., ::4, :]
    assert (coarse - means)[..., 2:-2].abs().max() < 1e-6  # where no edge is near
    assert Coarse(2)(images(), seeds()).abs().max() <= 1


@pytest.mark.parametrize("boxes", [0.0, 1.0], ids=["strokes", "boxes"])
def test_holes_are_black_and_the_rest_is_as_it_was(boxes):
    x, masked = images(20), Masked(boxes)
    image, mask = masked(x, seeds(20)).split([3, 1], 1)
    holes = mask == 1
    assert ((mask == 1) | (mask == -1)).all()
    assert torch.equal(image, torch.where(holes, -1.0, x))
    share = holes.float().mean((1, 2, 3))
    assert share.min() > 0
    assert 0.1 < share.mean() < 0.9
    assert torch.equal(masked(x, seeds(20))[:9], masked(x[:9], seeds(9)))
    assert not torch.equal(holes[0], holes[1])


def test_training_draws_new_holes_and_evaluation_the_same():
    data = Degraded(Digits(), Masked())
    train, test = data.train_dataset, data.test_dataset
    again = [train.__getitems__([Draw(3, seed)])["image"][:, 1] for seed in (1, 1, 2)]
    assert torch.equal(again[0], again[1])
    assert not torch.equal(again[0], again[2])
    assert torch.equal(test.__getitems__([5])["image"], test.__getitems__([4, 5])["image"][1:])
    assert data.views == ()
    assert data.example(2)["image"].shape == (2, 2, 8, 8)


def test_a_mirrored_view_is_that_of_the_coarse_image_too():
    data = Degraded(Digits(flip=True), Coarse(2))
    batch = data.train_dataset.__getitems__([0, 1])
    mirrored = data.view(batch, "mirrored")
    again = Coarse(2)(mirrored["x"], seeds(2))
    torch.testing.assert_close(mirrored["image"], again)
    assert data.views == ("plain", "mirrored")
    assert len({data.fingerprint, Digits(flip=True).fingerprint}) == 2
    assert data.meaning("image") != Degraded(Digits(), Coarse(4)).meaning("image")


def test_samples_are_asked_for_by_test_images_or_by_a_users(tmp_path):
    data = Degraded(Digits(captions=True), Coarse(2))
    of_test, asked = data.test_dataset.__getitems__([7]), data.requests([7 + 360], 0)
    for key in ("image", "label", "text"):
        assert torch.equal(asked[key], of_test[key])
    assert data.requests([7], 0, label=3)["label"].tolist() == [3]
    (tmp_path / "own").mkdir()
    for number, grey in enumerate((0, 255)):
        Image.new("L", (4, 4), grey).save(tmp_path / "own" / f"{number}.png")
    asked = data.requests([0, 1, 2], 0, image=str(tmp_path / "own"))
    assert asked["image"][:, 0, 0, 0].tolist() == [-1, 1, -1]
    assert asked["label"].tolist() == [0, 1, 2]


def test_a_users_image_has_holes_where_it_is_transparent(tmp_path):
    pixels = np.full((8, 8, 4), 255, np.uint8)
    pixels[2:4, 5:, 3] = 0
    Image.fromarray(pixels).save(tmp_path / "holes.png")
    image = Degraded(Digits(), Masked()).requests([0], 0, image=str(tmp_path / "holes.png"))[
        "image"
    ][0]
    assert image[1, 2:4, 5:].eq(1).all()
    assert image[1].eq(1).sum() == 6
    assert torch.equal(image[0], -image[1])  # black holes in white


def test_bad_images_and_sizes_are_refused(tmp_path):
    Image.new("RGB", (5, 4)).save(tmp_path / "small.png")
    Image.new("RGB", (8, 8)).save(tmp_path / "opaque.png")
    (tmp_path / "broken.png").write_bytes(b"no image")
    (tmp_path / "empty").mkdir()
    coarse, masked = (Degraded(Digits(), one) for one in (Coarse(2), Masked()))
    for data, name, message in (
        (coarse, "small.png", "has 5 x 4 pixels, and the model is told images of 4 x 4: resize"),
        (coarse, "broken.png", "is not a sound image"),
        (coarse, "missing.png", "is not a sound image"),
        (coarse, "empty", "is empty: give an image or a folder"),
        (masked, "opaque.png", "has no transparency: erase what is to be drawn"),
        (Digits(), "small.png", "cannot be asked for image"),
    ):
        with pytest.raises(DataError, match=message):
            data.requests([0], 0, image=str(tmp_path / name))
    with pytest.raises(DataError, match="8 x 8 cannot be made coarser by 3"):
        Degraded(Digits(), Coarse(3)).example(1)
    with pytest.raises(DataError, match="a factor of 2 or more, got 1"):
        Coarse(1)
    with pytest.raises(DataError, match="a share between 0 and 1"):
        Masked(2)
    with pytest.raises(DataError, match="images, and moving digits holds others"):
        Degraded(MovingDigits(Digits()), Coarse(2))


def test_what_is_known_of_an_image_is_in_every_sample():
    x, drawn = images(), -images()
    image = Masked()(x, seeds())
    whole = Degraded(Digits(), Masked()).restore({"x": drawn, "image": image})["x"]
    assert torch.equal(whole, torch.where(image[:, -1:] == 1, drawn, x))
    coarse = {"x": drawn, "image": Coarse(2)(x, seeds())}
    assert torch.equal(Degraded(Digits(), Coarse(2)).restore(coarse)["x"], drawn)
    assert torch.equal(Digits().restore({"x": drawn})["x"], drawn)


@pytest.mark.parametrize("source", [CIFAR10(), ImageShards("none", size=32, workers=1)])
def test_the_images_of_any_set_are_degraded(source):
    data = Degraded(source, Coarse(4))
    assert data.shape == source.shape == (3, 32, 32)
    assert (data.views, data.workers) == (source.views, source.workers)
