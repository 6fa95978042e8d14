"""Configurations of run folders that no run wrote."""

import pytest

from ldm.config.compose import ConfigError
from ldm.run.folder import read_config


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("run: runs/a\nseed: ${oc.env:HOME}", r"holds an interpolation, .*: copy it again"),
        ("run: runs/a\nseed: ???", r"cut short or damaged \(seed, stages, .*: copy it again"),
        ("run: [", r"not sound YAML \(.*: copy it again"),
        ("a: " + "[" * 1000, r"or over 50 deep\): copy it again"),
    ],
)
def test_a_damaged_or_foreign_configuration_is_refused(tmp_path, content, message):
    (tmp_path / "config.yaml").write_text(content)
    with pytest.raises(ConfigError, match=rf"config\.yaml .*{message}"):
        read_config(tmp_path / "config.yaml")
