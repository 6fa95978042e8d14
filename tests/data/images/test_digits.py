import pytest
import torch

from data import DataError, Digits


def test_the_split_is_fixed_stratified_and_complete():
    from sklearn.datasets import load_digits

    data = Digits(seed=5)
    data.setup()
    train, test = data.train_dataset, data.test_dataset
    assert (len(train), len(test)) == (1437, 360)
    share = torch.bincount(test.labels) / torch.bincount(torch.cat([train.labels, test.labels]))
    assert (share - 360 / 1797).abs().max() < 0.01
    rows = torch.cat([train.images, test.images]).flatten(1).tolist()
    assert sorted(rows) == sorted(load_digits().data.tolist())
    assert torch.equal(test.images, Digits(seed=6).test_dataset.images)


def test_pixels_have_17_levels_from_minus_one_to_one():
    x = next(iter(Digits().ordered_batches("test", 360)))["x"]
    assert (x.min(), x.max()) == (-1, 1)
    assert x.unique().numel() == 17


def test_shape_classes_and_name():
    data = Digits()
    assert (data.shape, data.classes, data.name) == ((1, 8, 8), 10, "digits")


def test_what_can_be_asked_for_is_said():
    for captions, known in ((False, "a label"), (True, "a label and a text")):
        with pytest.raises(DataError, match=rf"cannot be asked for prompt: they have {known}$"):
            Digits(captions=captions).requests([0], 0, prompt="a seven")
