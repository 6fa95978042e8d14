"""Loggers: an experiment is one run of the service, and no step of a stage appears twice."""

import csv
import time
from functools import partial

import pytest
import torch
import wandb
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from wandb_runs import history

from data.images.grid import save_picture
from ldm.training.loggers import TensorBoard, WandB


def events(folder):
    return EventAccumulator(str(folder / "tensorboard")).Reload()


def train(run, training, folder, logger, **options):
    return run(training, folder, loggers=partial(list, [logger]), **options)


def test_tensorboard_gets_numbers_and_pictures(tokenizer_training, run, tmp_path):
    stage = tmp_path / "tokenizer"
    train(run, tokenizer_training(), stage, TensorBoard(stage, "run", "tokenizer", {}))
    losses = events(tmp_path).Scalars("tokenizer/loss")
    assert [event.step for event in losses] == [128, 256, 384, 512]
    with (stage / "metrics.csv").open(newline="") as file:
        written = [float(row["loss"]) for row in csv.DictReader(file)]
    torch.testing.assert_close([event.value for event in losses], written)
    assert [event.step for event in events(tmp_path).Images("tokenizer/samples.png")] == [512]


@pytest.mark.parametrize("kind", [TensorBoard, WandB])
@pytest.mark.usefixtures("logged_out")
def test_stages_and_resumed_processes_are_one_run_without_a_step_twice(tmp_path, kind):
    picture = tmp_path / "picture.png"
    save_picture(picture, torch.rand(3, 8, 8))

    def log(part, *steps):
        logger = kind(tmp_path / part, "run", part, {"seed": 3})
        for step in steps:
            logger.log_metrics({"loss": 1 / step}, step)
            logger.log_metrics({"nll_val": 2 / step}, step)  # as the selection of a checkpoint does
            logger.log_picture("samples", picture, step)
        logger.finalize("success")

    log("tokenizer", 100, 200, 300)
    if kind is WandB:
        wandb.finish()  # as the end of a process does: killed after its checkpoint of 200 samples
        time.sleep(1.1)  # the service names offline folders by the second; processes take longer
    log("tokenizer", 300, 400)
    log("prior", 50, 100)
    for score in (7.0, 6.0):  # evaluated twice: both are kept
        kind(tmp_path / "evaluation", "run", "evaluation", {}).log_metrics({"fid": score})
    if kind is TensorBoard:
        found = events(tmp_path)
        steps = {name: [e.step for e in found.Scalars(name)] for name in found.Tags()["scalars"]}
        steps |= {name: [e.step for e in found.Images(name)] for name in found.Tags()["images"]}
    else:
        assert len(set(path.name[-8:] for path in (tmp_path / "wandb").glob("offline-run-*"))) == 1
        assert (wandb.run.name, wandb.run.config["seed"]) == ("run", 3)
        steps = {}
        for row in history(tmp_path):
            (axis,) = (name for name in row if name.endswith("/samples"))
            for name in row.keys() - {axis}:
                steps.setdefault(name, []).append(row[axis])
    assert steps == {
        "tokenizer/loss": [100, 200, 300, 400],
        "tokenizer/nll_val": [100, 200, 300, 400],
        "tokenizer/samples.png": [100, 200, 300, 400],
        "prior/loss": [50, 100],
        "prior/nll_val": [50, 100],
        "prior/samples.png": [50, 100],
        "evaluation/fid": [1, 2],
    }


@pytest.mark.parametrize("kind", [TensorBoard, WandB])
@pytest.mark.usefixtures("logged_out")
def test_services_get_all_frames_of_a_clip(tmp_path, kind):
    gif, _ = save_picture(tmp_path / "clip.png", torch.rand(3, 3, 8, 8))
    logger = kind(tmp_path / "prior", "run", "prior", {})
    logger.log_picture("samples", gif, 7)
    logger.finalize("success")
    if kind is TensorBoard:
        (event,) = events(tmp_path).Images("prior/samples.gif")
        assert (event.step, event.encoded_image_string) == (7, gif.read_bytes())
    else:
        (row,) = history(tmp_path)
        (kept,) = tmp_path.glob("wandb/offline-run-*/files/media/videos/prior/*.gif")
        assert "prior/samples.gif" in row
        assert kept.read_bytes() == gif.read_bytes()
