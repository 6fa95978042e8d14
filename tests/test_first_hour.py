"""The commands of docs/first_hour.md, one after the other, as a newcomer types them."""

import re

import pages

PAGE = pages.ROOT / "docs" / "first_hour.md"


def shorter(command: str) -> str:
    """Train on a hundredth of the samples of a quarter of the pixels, and draw in two steps.

    The longer run stays twice as long as the first.
    """
    lengths = re.compile(r"training\.samples=([\d_]+)")
    command = lengths.sub(lambda one: f"training.samples={int(one[1]) // 100}", command)
    return command.replace("sampler.steps=20", "sampler.steps=2").replace("size=16", "size=8")


def test_every_command_works_after_those_before_it(tmp_path):
    pages.checkout(tmp_path)
    for name, text in pages.files(PAGE).items():
        few = text.replace("range(300)", "range(60)").replace("(16, 16)", "(8, 8)")
        (tmp_path / name).write_text(few)
    printed = {command: pages.run(shorter(command), tmp_path) for command in pages.commands(PAGE)}
    runs = tmp_path / "runs"
    report = (runs / "mine" / "report.html").read_text()
    assert "psnr" in report
    assert "data:image/png;base64," in report
    (longer,) = [c for c in printed if "12_800" in c]
    assert "prior: 128/128" in printed[longer]
    assert "tokenizer: " not in printed[longer]  # it was finished
    (compared,) = [text for command, text in printed.items() if " folders " in command]
    assert "fd_classifier" in compared
    assert (runs / "smooth" / "reconstructions.png").is_file()
    assert (runs / "on_vae" / "prior" / "model.safetensors").is_file()
