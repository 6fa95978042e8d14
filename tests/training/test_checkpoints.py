"""Checkpoints of another training are refused before anything begins."""

import functools

import pytest
import torch

from ldm.hub.weights import BadCheckpoint, check_resumable
from ldm.training.checkpoints import check_fits

LAST = "checkpoints/last.ckpt"


@pytest.fixture(scope="module")
def checkpoint(tokenizer_training, run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    run(tokenizer_training(samples=64), folder)
    return folder / LAST


@pytest.fixture
def refused(checkpoint, tokenizer_training, tmp_path):
    """`refused(change)`: the message about a checkpoint that `change` was called with."""

    def message(change) -> str:
        state = torch.load(checkpoint, weights_only=True)
        change(state)
        torch.save(state, tmp_path / "last.ckpt")
        with pytest.raises(BadCheckpoint, match="train this stage anew") as error:  # noqa: PT012
            check_resumable(tmp_path / "last.ckpt")
            check_fits(tmp_path / "last.ckpt", tokenizer_training(samples=64))
        return str(error.value)

    return message


NAME = "model.decoder.0.weight"


def test_its_own_checkpoint_is_accepted(checkpoint, tokenizer_training):
    check_fits(checkpoint, tokenizer_training(samples=64))


def test_one_without_a_warmed_up_average_goes_on_with_one(checkpoint, tokenizer_training, run):
    training = tokenizer_training(samples=64, ema_warmup=True)
    check_fits(checkpoint, training)


def test_that_of_another_stage_is_refused(checkpoint, prior_training):
    with pytest.raises(BadCheckpoint, match="is not a state of this training"):
        check_fits(checkpoint, prior_training())


@pytest.mark.parametrize(
    "key",
    [
        "state_dict",
        "optimizer_states",
        "samples_seen",
        "callbacks",
        "epoch",
        "global_step",
        "lr_schedulers",
        "pytorch-lightning_version",
    ],
)
def test_one_that_lacks_a_key_is_refused(refused, key):
    assert "is not a state of this training" in refused(lambda state: state.pop(key))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (torch.zeros(1), f"{NAME} is floats of shape (1,), not floats of shape (4, 8, 2, 2)"),
        (torch.zeros(4, 8, 2, 2, dtype=torch.int64), f"{NAME} is integers of shape (4, 8, 2, 2)"),
        ("text", f"{NAME} is str, not floats"),
    ],
)
def test_tensors_of_another_shape_or_kind_are_named(refused, value, message):
    assert message in refused(lambda state: state["state_dict"].update({NAME: value}))


@pytest.mark.parametrize(
    "change",
    [
        lambda state: state["optimizer_states"].clear(),
        lambda state: state["optimizer_states"][0].pop("param_groups"),
        lambda state: state["optimizer_states"][0]["param_groups"][0]["params"].pop(),
        lambda state: state["optimizer_states"][0]["state"][0].update(exp_avg=torch.zeros(1)),
        lambda state: state.update(optimizer_states="none"),
    ],
)
def test_states_of_other_optimizers_are_refused(refused, change):
    assert "optimizer" in refused(change)


@pytest.mark.parametrize("seen", [-1, "64", None, 1.5])
def test_samples_are_counted_in_whole_numbers(refused, seen):
    assert "is not a state of this training" in refused(lambda s: s.update(samples_seen=seen))


def test_what_is_accepted_can_be_resumed_whatever_is_missing(
    checkpoint, tokenizer_training, run, tmp_path
):
    """No key that Lightning needs is forgotten above."""
    for key in torch.load(checkpoint, weights_only=True):
        state = torch.load(checkpoint, weights_only=True)
        del state[key]
        path = tmp_path / key / LAST
        path.parent.mkdir(parents=True)
        torch.save(state, path)
        make = functools.partial(tokenizer_training, samples=64)
        try:
            check_resumable(path)
            check_fits(path, make())
        except BadCheckpoint:
            continue
        run(make(), tmp_path / key)
