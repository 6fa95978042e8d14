"""Every command that the README prints is understood as it is printed."""

import re
import shlex
import shutil
from pathlib import Path

import pages
import pytest

import eval.__main__
import eval.reproduce
import ldm.analysis.__main__
import sample
import train
from ldm.config.compose import compose

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
COMMANDS = [
    line.partition("#")[0].strip()
    for line in re.findall(r"^    ((?:python|make) .*)$", README, flags=re.M)
]
OF_RUNS = ("sample.py", "eval", "ldm.analysis")


def words(command: str) -> tuple[str, list[str]]:
    """The script or module of a command, and its arguments."""
    _, *rest = shlex.split(command)
    name, *arguments = [word for word in rest if word != "-m"]
    return name, arguments


def commands(*names: str) -> list[str]:
    return [c for c in COMMANDS if c.startswith("python") and words(c)[0] in names]


def test_there_are_commands_of_all_kinds():
    assert {words(c)[0] for c in COMMANDS if c.startswith("python")} == {
        *("train.py", "sample.py", "eval", "eval.reproduce", "ldm.analysis")
    }


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("make")])
def test_targets_are_in_the_makefile(command):
    assert f"\n{command.split()[1]}:" in (ROOT / "Makefile").read_text()


@pytest.mark.parametrize("command", commands("train.py"))
def test_experiments_compose_and_are_described(command, tmp_path, monkeypatch, capsys, trained):
    monkeypatch.chdir(tmp_path)
    seen = []
    monkeypatch.setattr(train, "train", seen.append)
    monkeypatch.setattr("ldm.run.describe.describe", seen.append)
    arguments = words(command)[1]
    monkeypatch.setattr("sys.argv", ["train.py", *arguments])
    train.main(arguments)
    assert seen
    if "--multirun" not in arguments:
        assert seen == [compose(arguments)]


@pytest.mark.parametrize("command", commands(*OF_RUNS))
def test_commands_on_a_run_do_what_they_say(command, tmp_path, monkeypatch, trained, capsys):
    if "inception" in command:
        pytest.skip("needs published weights")
    monkeypatch.chdir(tmp_path)
    shutil.copytree(trained, "runs/demo/digits")
    name, arguments = words(command)
    main = {"sample.py": sample, "eval": eval.__main__, "ldm.analysis": ldm.analysis.__main__}[name]
    arguments = [re.sub(r"^eval.samples=\d+", "eval.samples=50", one) for one in arguments]
    main.main(arguments)
    printed = capsys.readouterr().out
    if name == "ldm.analysis":
        assert (tmp_path / printed.split()[-1]).suffix == ".png"
        assert (tmp_path / printed.split()[-1]).is_file()
    else:
        assert (tmp_path / "samples" / "samples.npz").is_file() or "psnr" in printed


def test_a_package_of_the_users_is_trained(tmp_path):
    (command,) = re.findall(r"^    (LDM_CONFIGS=.*)$", README, flags=re.M)
    pages.run(f"{command} run={tmp_path}/run", ROOT)
    assert (tmp_path / "run" / "metrics.json").is_file()


@pytest.mark.parametrize("command", commands("eval.reproduce"))
def test_tables_are_printed(command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    arguments = [word for word in words(command)[1] if word != "record"]
    eval.reproduce.main(arguments)
    assert "published / ours" in capsys.readouterr().out
