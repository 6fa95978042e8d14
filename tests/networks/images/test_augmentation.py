"""Augmentations of a discriminator's images: what each of them leaves unchanged."""

import pytest
import torch
from torch.testing import assert_close

from ldm.networks.images.augmentation import (
    AUGMENTATIONS,
    augmented,
    check_augmentations,
    color,
    cutout,
    translation,
)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def images(n: int = 64) -> torch.Tensor:
    return torch.rand(n, 3, 16, 24, dtype=torch.float64)


def test_colors_of_an_image_change_by_one_affine_map_of_their_mean_and_their_differences():
    x = images(2)
    grey = x.mean(1, keepdim=True).expand_as(x)
    torch.manual_seed(1)
    changed = color(x)
    torch.manual_seed(1)
    (factor, offset) = torch.linalg.lstsq(
        torch.stack([grey[0, 0].flatten(), torch.ones(16 * 24)], 1),
        color(grey)[0, 0].flatten(),
    ).solution
    assert 0.5 <= factor <= 1.5
    assert_close(changed.mean(1)[0], factor * grey[0, 0] + offset)


def test_translations_keep_all_pixels_but_those_that_leave():
    x = images()
    moved = translation(x)
    for before, after in zip(x, moved, strict=True):
        found = [
            (i, j)
            for i in range(-2, 3)
            for j in range(-3, 4)
            if torch.equal(
                torch.nn.functional.pad(before, (3, 3, 2, 2))[:, 2 + i : 18 + i, 3 + j : 27 + j],
                after,
            )
        ]
        assert len(found) == 1


def test_holes_are_rectangles_of_a_fifth_of_the_sides():
    x = images()
    gone = (cutout(x) == 0).all(1)
    height, width = gone.any(2).sum(1), gone.any(1).sum(1)
    assert (height * width == gone.sum((1, 2))).all()
    assert (height.max(), width.max()) == (3, 5)
    assert torch.equal(cutout(x + 1)[:, :, :].ne(0).any(1).sum((1, 2)).gt(0), torch.ones(64) > 0)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_augmentations_are_differentiable_and_follow_the_seed(name):
    x = images(4).requires_grad_()
    results = []
    for _ in range(2):
        torch.manual_seed(3)
        results.append(augmented(x, [name]))
    assert torch.equal(*results)
    assert not torch.equal(results[0], x)
    results[0].sum().backward()
    assert x.grad.abs().sum() > 0


def test_an_unknown_augmentation_is_refused():
    with pytest.raises(ValueError, match="no augmentation 'flip': choose of color, translation"):
        check_augmentations(["color", "flip"])
