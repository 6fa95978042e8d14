"""Shapes of every signature are checked while tests run; shared data is used when it is there."""

import fcntl
import gc
import logging
import multiprocessing
import os
import shutil
import signal
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import typecheck
from hypothesis import settings

# A busy machine is no failure.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

typecheck.install("ldm", "data", "eval")

ROOT = Path(__file__).resolve().parents[1]

gc.disable()  # while modules are imported, of which all stays


def pytest_collection_finish():
    gc.freeze()  # nor is any of it searched for garbage while tests run
    gc.enable()


def pytest_sessionfinish():
    gc.unfreeze()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Neighbours stay with one worker, which then has what they share to make but once."""
    from xdist.scheduler import WorkStealingScheduling

    return WorkStealingScheduling(config, log)


@pytest.fixture
def refused(capsys, monkeypatch):
    """Runs a command that must stop before any stage; returns the one message it leaves."""

    def untimely(*_, **__):
        raise AssertionError("training had begun")

    def run(main, *arguments: str) -> str:
        with monkeypatch.context() as patch:
            patch.setattr("ldm.run.experiment.train_stage", untimely)
            with pytest.raises(SystemExit) as stopped:
                main(list(arguments))
        assert stopped.value.code == 2
        message = capsys.readouterr().err
        assert message.count("error: ") == 1
        assert "Traceback" not in message
        return message

    return run


@pytest.fixture(scope="session", autouse=True)
def interrupts():
    """Has Ctrl-C raise KeyboardInterrupt, which a shell turns off for what runs in background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def own_loggers():
    """Drops the handlers that a sweep's Hydra leaves on a stream which is closed after the test."""
    before = list(logging.root.handlers)
    yield
    for handler in set(logging.root.handlers) - set(before):
        if type(handler) is logging.StreamHandler:
            logging.root.removeHandler(handler)


@pytest.fixture
def shared_data() -> Path:
    """The folder of real data; a test that asks for it is skipped where there is none."""
    folder = Path(os.environ.get("LDM_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("no shared data here: set LDM_DATA to its folder")
    return folder


SHORT = [
    "experiment=demo/digits",
    "tokenizer.encoder.blocks=1",
    "tokenizer.training.samples=512",
    "tokenizer.training.batch_size=64",
    "tokenizer.training.schedule=null",  # whose warm-up is longer than all that is trained here
    "prior.training.samples=512",
    "prior.training.batch_size=64",
    "prior.training.schedule=null",
    "prior.backbone.width=32",
    "prior.backbone.depth=2",
    "prior.backbone.heads=2",
    "sampler.steps=4",
    "eval.samples=40",
    "trainer.accelerator=cpu",
    "trainer.pictures=1",
    "trainer.records=4",
    "trainer.checkpoints=4",
]


def _train(folder: Path) -> None:
    from ldm.config.compose import compose
    from train import train

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LDM_CACHE", str(folder / "cache"))
        # Averages of eight steps would still be the initial weights.
        now = [
            "tokenizer.training.ema=0",
            "prior.training.ema=0",
            "prior.training.optimizer.lr=3e-3",
        ]
        train(compose([*SHORT, *now, f"run={folder}/runs/digits"]))


@pytest.fixture(scope="session")
def _trained(tmp_path_factory) -> Path:
    """One worker trains, and each has a copy."""
    whole = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        whole = whole.parent
    with open(whole / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (whole / "shared").is_dir():
            _train(whole / "training")
            (whole / "training").rename(whole / "shared")
    return shutil.copytree(whole / "shared", tmp_path_factory.mktemp("trained") / "copy")


@pytest.fixture(scope="session")
def trained_cache(_trained) -> Path:
    """The cache of that run, with its classifier of digits: copy it."""
    return _trained / "cache"


@pytest.fixture
def tiny(tmp_path, trained_cache, monkeypatch) -> list[str]:
    """Overrides that make the demo a matter of seconds, in a folder of its own.

    Its cache holds the classifier that tests share, and nothing else.
    """
    shutil.copytree(trained_cache / "classifiers", tmp_path / "cache" / "classifiers")
    monkeypatch.setenv("LDM_CACHE", str(tmp_path / "cache"))
    return [*SHORT, f"run={tmp_path}/runs/digits"]


@pytest.fixture
def trained(_trained, monkeypatch) -> Path:
    """The folder of a finished short run that tests share: read it, or copy it and write there."""
    monkeypatch.setenv("LDM_CACHE", str(_trained / "cache"))
    return _trained / "runs" / "digits"


@pytest.fixture
def undrawn(monkeypatch):
    """Points are scored, and their density is not drawn, which would cost more than all else."""
    from data import VonMisesFisher

    monkeypatch.setattr(VonMisesFisher, "chart", lambda self: None)


@pytest.fixture
def logged_out(tmp_path, monkeypatch):
    """The home of a user who has never logged in to Weights & Biases, as on a new machine."""
    import wandb

    for name in ("WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    yield
    wandb.teardown()  # else later tests would go on with its settings


@pytest.fixture
def two_processes(tmp_path) -> Callable:
    """`two_processes(work)`: call `work(rank)` in two, as torchrun would start them; its answers.

    They are forked, which is quick: CUDA forbids it.
    """
    if torch.cuda.is_available():
        pytest.skip("forks processes, and CUDA does not survive that")

    def run(work: Callable[[int], object], seconds: float = 60) -> list:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]

        def process(rank: int) -> None:
            torch.set_num_threads(1)  # OpenMP's threads did not come along
            os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
            os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"}
            torch.save(work(rank), tmp_path / f"answer-{port}-{rank}")

        context = multiprocessing.get_context("fork")
        processes = [context.Process(target=process, args=(rank,)) for rank in range(2)]
        for one in processes:
            one.start()
        try:
            for one in processes:
                one.join(seconds)
                assert one.exitcode == 0, f"exit code {one.exitcode}; None is a hang"
        finally:
            for one in processes:
                one.kill()
        return [torch.load(tmp_path / f"answer-{port}-{rank}") for rank in range(2)]

    return run
