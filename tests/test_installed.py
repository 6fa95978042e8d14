"""The project, installed from its wheel, works away from its checkout."""

import os
import subprocess
import sys
from pathlib import Path

import pages
import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Folder that the project alone is installed in; its dependencies are in the environment."""
    folder = tmp_path_factory.mktemp("installed")
    offline = ("--no-deps", "--no-build-isolation", "--no-index", "--quiet")
    pip = (sys.executable, "-m", "pip", "install", *offline, "--target", str(folder))
    subprocess.run([*pip, str(ROOT)], check=True)
    return folder


def run(installed: Path, cwd: Path, script: str, arguments: str) -> str:
    return pages.run(f"PYTHONPATH={installed} python {installed}/bin/{script} {arguments}", cwd)


def test_it_takes_one_name_in_the_environment(installed):
    names = {path.name for path in installed.iterdir() if not path.name.endswith(".dist-info")}
    assert names == {"bin", "latent_generative_models"}


def test_configurations_and_tables_travel_with_it(installed, tmp_path):
    described = run(installed, tmp_path, "ldm-train", "experiment=demo/digits describe=true")
    assert "prior" in described
    assert "published" in run(installed, tmp_path, "ldm-reproduce", "rsgm_earth")


def test_it_can_be_imported_in_a_notebook(installed, tmp_path):
    code = "import latent_generative_models, ldm.spaces; print(ldm.spaces.__file__)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(done.stdout.strip()).is_relative_to(installed)
