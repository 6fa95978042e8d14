"""A run stopped by SIGTERM, or killed, goes on and ends as if nothing had been."""

import json
import os
import signal

import pytest
import torch

from ldm.stopping import Stopped
from ldm.training import AdaptiveClip
from ldm.training.checkpoints import SaveCheckpoint

LAST = "checkpoints/last.ckpt"


class Killed(BaseException):
    """Like a kill -9: nothing that stands in its way is called."""


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """`uninterrupted(make, run, kind)`: what a run of this kind leaves that nothing disturbed."""
    states = {}

    def left(make, run, kind):
        if kind not in states:
            folder = tmp_path_factory.mktemp("whole")
            run(make(), folder)
            states[kind] = state(folder)
        return states[kind]

    return left


@pytest.fixture(params=["tokenizer", "gaussian tokenizer", "adversarial", "prior"])
def kind(request):
    return request.param


@pytest.fixture
def make(kind, tokenizer_training, prior_training):
    return {
        "tokenizer": tokenizer_training,
        "gaussian tokenizer": lambda **o: tokenizer_training("gaussian", **o),
        "adversarial": lambda **o: tokenizer_training(adversarial=True, second_batch=True, **o),
        "prior": lambda **o: prior_training(clip=AdaptiveClip(start=1e-3), **o),
    }[kind]


def stop_at(training, samples, how):
    """Have a step interrupted that begins when these samples have been seen."""
    step = training.optimize

    def optimize(*arguments):
        if training.samples_seen == samples:
            how()
        return step(*arguments)

    training.optimize = optimize
    return training


def sigterm():
    os.kill(os.getpid(), signal.SIGTERM)


def kill():
    raise Killed


def state(folder):
    """All that a stage leaves behind, as one flat dictionary."""
    checkpoint = torch.load(folder / LAST, weights_only=True)
    leaves, _ = torch.utils._pytree.tree_flatten_with_path(
        {key: checkpoint[key] for key in ("state_dict", "optimizer_states")}
    )
    return {str(path): leaf for path, leaf in leaves} | {
        "samples_seen": checkpoint["samples_seen"],
        "metrics": (folder / "metrics.csv").read_text(),
    }


def assert_same(one, other):
    assert one.keys() == other.keys()
    for name, value in one.items():
        same = torch.equal(value, other[name]) if torch.is_tensor(value) else value == other[name]
        assert same, name


@pytest.mark.parametrize(
    ("how", "stopped", "kept"), [(sigterm, 192, 256), (kill, 448, 384), (kill, 64, 0)]
)
def test_interrupted_and_resumed_equals_uninterrupted_bit_for_bit(
    kind, make, uninterrupted, run, tmp_path, how, stopped, kept
):
    with pytest.raises((Stopped, Killed)):
        run(stop_at(make(), stopped, how), tmp_path / "parts")
    if kept:
        checkpoint = torch.load(tmp_path / "parts" / LAST, weights_only=True)
        assert checkpoint["samples_seen"] == kept
    run(make(), tmp_path / "parts")
    assert_same(state(tmp_path / "parts"), uninterrupted(make, run, kind))


def test_resuming_after_the_first_epoch_and_over_its_end(tokenizer_training, run, tmp_path):
    options = {"samples": 3200, "batch_size": 320}  # an epoch is 1,437: steps straddle its ends
    run(tokenizer_training(**options), tmp_path / "whole")
    for stopped in (1280, 2240):
        with pytest.raises(Stopped):
            run(stop_at(tokenizer_training(**options), stopped, sigterm), tmp_path / "parts")
    run(tokenizer_training(**options), tmp_path / "parts")
    assert_same(state(tmp_path / "parts"), state(tmp_path / "whole"))


def test_a_run_that_ended_a_batch_beyond_its_samples_has_nothing_left_to_do(
    tokenizer_training, run, tmp_path
):
    run(tokenizer_training(samples=100), tmp_path)
    before = state(tmp_path)
    assert before["samples_seen"] == 128
    training = run(stop_at(tokenizer_training(samples=100), 128, kill), tmp_path)
    assert training.samples_seen == 128
    assert_same(state(tmp_path), before)


def test_the_handler_of_sigterm_is_put_back(tokenizer_training, run, tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    run(tokenizer_training(samples=64), tmp_path)
    assert signal.getsignal(signal.SIGTERM) == before


def test_rows_of_the_killed_part_are_not_repeated(tokenizer_training, run, tmp_path):
    with pytest.raises(Killed):
        run(stop_at(tokenizer_training(), 448, kill), tmp_path, records=8, checkpoints=2)
    rows = (tmp_path / "metrics.csv").read_text().splitlines()
    assert rows[-1].startswith("448,")  # beyond the checkpoint at 256
    run(tokenizer_training(), tmp_path, records=8, checkpoints=2)
    rows = (tmp_path / "metrics.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows[1:]] == [str(64 * i) for i in range(1, 9)]


def test_a_kill_while_saving_leaves_the_older_checkpoint(
    tokenizer_training, run, tmp_path, monkeypatch
):
    save = torch.save

    def cut(state, path):
        save(state, path)
        if state["samples_seen"] == 256:
            path.write_bytes(path.read_bytes()[:1000])
            raise Killed

    monkeypatch.setattr(torch, "save", cut)
    with pytest.raises(Killed):
        run(tokenizer_training(), tmp_path)
    assert torch.load(tmp_path / LAST, weights_only=True)["samples_seen"] == 128


def test_saves_are_evenly_spaced_and_the_last_is_at_the_end(
    tokenizer_training, run, tmp_path, monkeypatch
):
    saved = []
    monkeypatch.setattr(
        SaveCheckpoint, "save", lambda self, trainer: saved.append(trainer.model.samples_seen)
    )
    run(tokenizer_training(samples=480), tmp_path, checkpoints=3)
    assert saved == [192, 320, 512]


def test_the_time_that_a_stage_took_is_the_sum_over_its_parts(tokenizer_training, run, tmp_path):
    effort = tmp_path / "effort.json"
    with pytest.raises(Killed):
        run(stop_at(tokenizer_training(), 192, kill), tmp_path)
    first = json.loads(effort.read_text())
    assert first["seconds"] > 0
    effort.write_text(json.dumps(first | {"seconds": 1000.0}))
    run(tokenizer_training(), tmp_path)
    assert 1000 < json.loads(effort.read_text())["seconds"] < 1100


@pytest.mark.parametrize("damaged", ["", "{", "[1]", '{"seconds": "many"}', '{"machine": "a"}'])
def test_a_damaged_record_of_time_begins_anew(tokenizer_training, run, tmp_path, damaged):
    effort = tmp_path / "effort.json"
    effort.write_text(damaged)
    run(tokenizer_training(samples=64), tmp_path)
    assert 0 < json.loads(effort.read_text())["seconds"] < 100
