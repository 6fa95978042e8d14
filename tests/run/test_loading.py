"""Loading a run: what it imports."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_samplers_of_flows_and_manifolds_do_without_diffusers():
    code = "import sys, ldm.priors, ldm.samplers; print(*sys.modules)"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "diffusers" not in done.stdout.split()


def test_a_run_is_sampled_without_what_only_training_and_scoring_import(trained):
    code = f"""
import sys
from ldm.run.loading import load_run
from ldm.run.sampling import draw
draw(load_run({str(trained)!r}, []), [0], 0)
print(*sys.modules)
"""
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    slow = {"pytorch_lightning", "torchmetrics", "torchvision", "ldm.training", "eval", "sklearn"}
    assert set(done.stdout.split()) & slow == set()
