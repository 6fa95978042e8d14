"""Records of a run: rows of metrics.csv."""

import csv
import os

import pytest
import torch
from torch import nn

from data.files.full import StorageFull
from ldm import distributed
from ldm.randomness import step_generator
from ldm.training import Cosine, TrainerOptions
from ldm.training.fit import fit
from ldm.training.records import CSV


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_rows_are_on_disk_as_soon_as_they_are_logged(tmp_path):
    log = CSV(tmp_path / "deep" / "metrics.csv")
    log.log_metrics({"loss": 0.5}, 64)
    assert rows(log.path) == [{"samples": "64", "loss": "0.5"}]
    log.log_metrics({"loss": 1 / 3}, 128)
    assert rows(log.path)[1] == {"samples": "128", "loss": "0.333333333"}


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_a_full_device_is_named_by_the_record_that_there_is_no_space_for(tmp_path):
    log = CSV(tmp_path / "metrics.csv")
    log.log_metrics({"loss": 0.5}, 64)
    log.path.unlink()
    log.path.symlink_to("/dev/full")
    with pytest.raises(StorageFull, match=rf"no space left to save {log.path}"):
        log.log_metrics({"loss": 0.4}, 128)


def test_columns_may_come_later_and_in_any_order(tmp_path):
    log = CSV(tmp_path / "metrics.csv")
    log.log_metrics({"a": 1.0}, 1)
    log.log_metrics({"b": 2.0, "a": 3.0}, 2)
    log.log_metrics({"a": 4.0, "b": 5.0}, 3)
    log.log_metrics({"a": 6.0}, 4)
    found = [(row["samples"], row["a"], row["b"]) for row in rows(log.path)]
    assert found == [("1", "1", ""), ("2", "3", "2"), ("3", "4", "5"), ("4", "6", "")]


def test_a_quantiser_that_uses_one_code_is_spoken_of_once(
    tokenizer_training, run, tmp_path, capsys
):
    training = tokenizer_training()
    nn.init.constant_(training.model.encoder[-1].weight, 0)
    nn.init.constant_(training.model.encoder[-1].bias, 1)
    training.model.encoder.requires_grad_(False)
    run(training, tmp_path / "one")
    said = capsys.readouterr().out
    assert said.count("after 128 samples the quantiser gives all of a batch the same code") == 1
    assert said.count("same code") == 1
    run(tokenizer_training(), tmp_path / "many")
    assert "same code" not in capsys.readouterr().out


def test_a_resumed_file_is_that_of_an_uninterrupted_run(tmp_path):
    def values(step):
        return {"a": float(step)} if step < 3 else {"b": float(step), "a": -float(step)}

    whole, parts = CSV(tmp_path / "whole.csv"), CSV(tmp_path / "parts.csv")
    for step in range(1, 7):
        whole.log_metrics(values(step), step)
        parts.log_metrics(values(step), step)
        for checkpoint in (step, step - 1):  # killed at once, and after one more row
            resumed = CSV(parts.path, resume_at=checkpoint)
            for again in range(checkpoint + 1, step + 1):
                resumed.log_metrics(values(again), again)
            assert resumed.path.read_text() == whole.path.read_text()


def test_a_run_that_begins_anew_keeps_nothing_of_an_older_one(tmp_path):
    CSV(tmp_path / "metrics.csv").log_metrics({"old": 1.0}, 1)
    new = CSV(tmp_path / "metrics.csv", resume_at=0)
    new.log_metrics({"new": 2.0}, 1)
    assert rows(new.path) == [{"samples": "1", "new": "2"}]


def test_records_are_evenly_spaced_and_the_last_is_the_last_step(tokenizer_training, run, tmp_path):
    training = run(tokenizer_training(samples=480), tmp_path, records=3)
    found = rows(tmp_path / "metrics.csv")
    assert [int(row["samples"]) for row in found] == [192, 320, 512]
    assert float(found[-1]["loss"]) == round(training.logs["loss"].item(), 9)
    assert {"pixel", "codebook", "grad_norm"} <= found[0].keys()


WHOLE = b"samples,loss,nll_val\r\n64,0.5,\r\n64,,1.5\r\n128,0.25,\r\n"


@pytest.mark.parametrize(
    ("damaged", "left"),
    [
        (WHOLE + b"192,0.1", 3),  # cut in a number
        (WHOLE + b"192\r\n", 3),
        (WHOLE + b"192,,\r\n256,0.1,\r\n", 3),  # what a cut row became in older files
        (WHOLE + b"64,0.5,\r\n192,0.1,\r\n", 3),  # a second writer
        (WHOLE + b"\r\n192,0.1,\r\n", 3),
        (WHOLE + b"192,0.1\0,\r\n", 3),
        (WHOLE + b"\0" * 4096, 3),
        (WHOLE + b"192,\xff\xfe,\r\n", 3),
        (WHOLE + b"192,much,\r\n", 3),
        (WHOLE + b"-1,0.5,\r\n", 3),
        (WHOLE[:39], 1),
        (WHOLE[:5], 0),
        (b"\0" * 100, 0),
        (b"\xff\xfe\n\n", 0),
        (b"step,loss\n1,2\n", 0),
        (b"\n\n\n", 0),
        (b"", 0),
    ],
)
def test_a_damaged_file_is_read_as_far_as_it_is_good(tmp_path, damaged, left):
    path = tmp_path / "metrics.csv"
    path.write_bytes(damaged)
    log = CSV(path, resume_at=512)
    log.log_metrics({"loss": 0.125}, 576)
    samples = [int(row["samples"]) for row in rows(path)]
    assert samples == [*[64, 64, 128][:left], 576]


@pytest.mark.parametrize("kind", ["gsq", "gaussian", "adversarial", "prior"])
def test_the_held_out_loss_is_that_of_the_average_on_the_same_noise_at_every_record(
    tokenizer_training, prior_training, digits, tmp_path, kind
):
    def make(**options):
        if kind == "prior":
            return prior_training(**options)
        adversarial = kind == "adversarial"
        return tokenizer_training("gaussian" if adversarial else kind, adversarial, **options)

    def fitted(name, **options):
        held_out = digits.test_dataset.__getitems__(list(range(32)))
        trainer = TrainerOptions(accelerator="cpu", records=8, pictures=0)
        training, folder = make(**options), tmp_path / name
        fit(training, folder, trainer, lambda _: torch.zeros(3, 2, 2), held_out=lambda _: held_out)
        return training, [float(row["held_out_loss"]) for row in rows(folder / "metrics.csv")]

    training, losses = fitted("moving")
    expected = training.held_out_loss(
        digits.test_dataset.__getitems__(list(range(32))), step_generator(0, 0, 0)
    )
    assert losses[-1] == pytest.approx(expected.item(), rel=1e-6)
    assert len(set(losses)) == 8
    _, still = fitted("still", ema=1 - 1e-12, ema_warmup=False)  # an average that does not move
    assert max(still) - min(still) <= 1e-6 * max(still)


def test_all_processes_take_part_in_running_scores(tokenizer_training, tmp_path, two_processes):
    def score(training):
        return {"running_rank": distributed.mean(torch.tensor(float(distributed.rank()))).item()}

    def work(rank):
        trainer = TrainerOptions("cpu", strategy="ddp", devices=2, records=4, pictures=0)
        training = tokenizer_training(samples=256)
        fit(training, tmp_path, trainer, lambda _: torch.zeros(3, 2, 2), running=score)

    two_processes(work)
    assert [row["running_rank"] for row in rows(tmp_path / "metrics.csv")] == ["0.5"] * 4


def test_the_learning_rate_is_that_of_the_step(tokenizer_training, run, tmp_path):
    run(tokenizer_training(schedule=Cosine()), tmp_path, records=4)
    found = [float(row["learning_rate"]) for row in rows(tmp_path / "metrics.csv")]
    assert found == pytest.approx([1e-3 * Cosine()(seen, 512) for seen in (64, 192, 320, 448)])
