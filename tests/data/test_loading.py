"""Workers of the loader leave signals to the process that they work for."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.utils.data import BatchSampler, Dataset

from data.loading import BatchLoader

ROOT = Path(__file__).resolve().parents[2]


class Numbers(Dataset):
    def __getitems__(self, indices):
        return {"x": torch.tensor(indices), "worker": torch.full((len(indices),), os.getpid())}


def test_batches_come_in_order_while_their_workers_are_told_to_end():
    found = []
    for batch in BatchLoader(Numbers(), BatchSampler(range(40), 4, drop_last=False), workers=2):
        for number in (signal.SIGTERM, signal.SIGINT):
            os.kill(int(batch["worker"][0]), number)
        found.append(batch["x"])
    assert torch.cat(found).tolist() == list(range(40))


@pytest.mark.parametrize("missed", [False, True])
def test_a_process_that_ends_in_the_middle_of_an_epoch_ends_its_workers(missed):
    script = f"""
import os
from data.loading import BatchLoader
class Workers(list):
    def __getitems__(self, indices):
        return [os.getpid()]
batches = iter(BatchLoader(Workers(range(40)), [[i] for i in range(40)], workers=1))
print(*next(batches))
batches._shutdown = {missed}  # torch believes that they were told to end
raise SystemExit(7)
"""
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, timeout=60, cwd=ROOT)
    assert done.returncode == 7, done.stderr
    assert not os.path.exists(f"/proc/{int(done.stdout)}")
