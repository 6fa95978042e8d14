import pytest
import torch

from data import DataError, check_batch


def batch(**changes):
    return {"x": torch.zeros(3, 1, 2, 2), "index": torch.tensor([7, 8, 9])} | changes


def test_a_sound_batch_passes():
    sound = batch()
    before = {key: value.clone() for key, value in sound.items()}
    check_batch(sound, (1, 2, 2))
    assert all(torch.equal(sound[key], value) for key, value in before.items())


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_samples_that_are_not_finite_are_named(value):
    x = torch.zeros(3, 1, 2, 2)
    x[1, 0, 1, 0] = value
    with pytest.raises(DataError, match=r"`x` holds NaN or infinity .* \[8\]"):
        check_batch(batch(x=x))


def test_numbers_of_one_a_sample_are_checked_too():
    check_batch(batch(fps=torch.tensor([8.0, 25.0, 10.0])))
    with pytest.raises(DataError, match=r"`fps` holds NaN or infinity .* \[9\]"):
        check_batch(batch(fps=torch.tensor([8.0, 25.0, float("nan")])))


def test_missing_keys_and_other_shapes_are_refused():
    with pytest.raises(DataError, match=r"needs the keys x and index, got \['x'\]"):
        check_batch({"x": torch.zeros(1)})
    with pytest.raises(DataError, match=r"shape \(3, 2, 2\), got \(1, 2, 2\)"):
        check_batch(batch(), (3, 2, 2))
