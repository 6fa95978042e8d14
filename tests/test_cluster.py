"""The commands of docs/cluster.md that need no cluster."""

import re
import shutil
from concurrent.futures import ThreadPoolExecutor

import pages

COMMANDS = pages.commands(pages.ROOT / "docs" / "cluster.md")


def test_processes_share_the_samples_of_a_run(tmp_path, trained):
    shutil.copytree(trained, pages.checkout(tmp_path) / "runs" / "demo" / "digits")
    (command,) = [one for one in COMMANDS if "sample.py" in one]
    assert "64 samples" in pages.run(command, tmp_path)


def test_two_nodes_train_one_run(tmp_path):
    pages.checkout(tmp_path)
    (command,) = [one for one in COMMANDS if "--nnodes" in one]
    for stage in ("tokenizer", "prior"):
        command += f" {stage}.training.samples=64 {stage}.training.schedule=null"
    both = [
        re.sub("--node-rank 0", f"--node-rank {rank}", command) + " eval=none" for rank in (0, 1)
    ]
    with ThreadPoolExecutor(2) as nodes:
        list(nodes.map(lambda one: pages.run(one, tmp_path), both))
    run = tmp_path / "runs" / "demo" / "digits"
    assert all((run / stage / "model.safetensors").is_file() for stage in ("tokenizer", "prior"))
