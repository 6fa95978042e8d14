"""The report of a run: one page that holds everything itself."""

import base64
import io
import json
import re
import shutil
from html.parser import HTMLParser
from xml.etree import ElementTree

from PIL import Image

import eval.__main__ as evaluation
from ldm.report.__main__ import main
from ldm.report.page import write_report
from ldm.run.folder import Run


class Page(HTMLParser):
    """Collects what a browser would load, show, and run."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads, self.pictures, self.tags, self.text = [], [], set(), ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        for name, value in attributes:
            if name in ("src", "href", "srcset", "action", "data"):
                (self.pictures if tag == "img" else self.loads).append(value)

    def handle_data(self, data):
        self.text += data


def test_a_page_shows_the_run_and_needs_no_other_file_and_no_network(trained, tmp_path):
    run = Run(shutil.copytree(trained, tmp_path / "a<b>&c"))
    assert write_report(run) == run.folder / "report.html"
    text = (run.folder / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert page.loads == []
    assert "script" not in page.tags
    assert "url(" not in text
    assert str(run.folder) in page.text  # escaped, or its <b> would be a tag
    scores = json.loads(run.metrics.read_text())
    protocols = scores.pop("protocol")
    for name, value in scores.items():
        assert re.search(rf"{name}\s*{re.escape(f'{value:.4g}')}", page.text)
        assert f"data {protocols[name]['data']}" in page.text
    for stage in ("tokenizer", "prior"):
        assert (run.stage(stage) / "config.yaml").read_text() in page.text
        (start,) = json.loads((run.stage(stage) / "environment.json").read_text())
        assert f"torch {start['packages']['torch']}" in page.text


def test_its_pictures_are_those_of_the_run_and_its_curves_all_that_was_recorded(trained, tmp_path):
    run = Run(shutil.copytree(trained, tmp_path / "run"))
    page = Page(write_report(run).read_text(encoding="utf-8"))
    found = [re.fullmatch(r"data:image/([a-z+]+);base64,(.*)", one) for one in page.pictures]
    contents = {"png": [], "svg+xml": []}
    for kind, content in (one.groups() for one in found):
        contents[kind].append(base64.b64decode(content, validate=True))
    files = [*run.folder.glob("*.png"), *run.folder.glob("*/samples/*.png")]
    assert sorted(contents["png"]) == sorted(path.read_bytes() for path in files)
    for content in contents["png"]:
        Image.open(io.BytesIO(content)).verify()
    for stage, drawing in zip(("tokenizer", "prior"), contents["svg+xml"], strict=True):
        words = "".join(ElementTree.fromstring(drawing).itertext())
        _, *names = (run.stage(stage) / "metrics.csv").read_text().splitlines()[0].split(",")
        assert [name for name in names if name not in words] == []


def test_an_unfinished_run_has_a_page_too(trained, tmp_path):
    run = Run(shutil.copytree(trained, tmp_path / "run"))
    for path in (run.metrics, run.model("prior"), run.stage("prior") / "metrics.csv"):
        path.unlink()
    page = Page(write_report(run).read_text(encoding="utf-8"))
    assert "Not evaluated." in page.text
    assert "not finished" in page.text


def test_the_command_writes_it_again_or_says_what_is_missing(trained, tmp_path, capsys, refused):
    run = shutil.copytree(trained, tmp_path / "run")
    (run / "report.html").unlink()
    main([f"run={run}"])
    assert capsys.readouterr().out == f"{run}/report.html\n"
    assert (run / "report.html").is_file()
    assert "no run at" in refused(main, f"run={tmp_path}/none")
    assert "unknown key 'n'" in refused(main, f"run={run}", "n=3")
    (run / "metrics.json").write_text('{"psnr": ')
    assert "metrics.json is damaged" in refused(main, f"run={run}")
    assert "name a run folder" in refused(main)


def test_training_and_evaluation_leave_a_page(trained, tmp_path):
    run = shutil.copytree(trained, tmp_path / "run")
    (run / "report.html").unlink()  # of training, see conftest.py
    evaluation.main([f"run={run}", "eval=reconstructions"])
    assert (run / "report.html").is_file()


def test_notes_that_are_damaged_are_shown_as_such_and_keep_nothing_from_its_page(trained, tmp_path):
    run = Run(shutil.copytree(trained, tmp_path / "run"))
    for name, content in {
        "effort.json": "",
        "environment.json": "[3",
        "changes.json": "[3]",
    }.items():
        (run.stage("prior") / name).write_text(content)
    page = Page(write_report(run).read_text(encoding="utf-8"))
    for name in ("effort.json", "environment.json", "changes.json"):
        assert f"{name} cannot be read (" in page.text
