"""Untrained parts of small clips of moving digits, and a small classifier of their motions."""

import pytest

from eval.extractors import MotionClassifier
from eval.extractors.trained import Settings
from ldm.config.compose import compose
from ldm.run.models import build_models
from ldm.run.parts import Parts, build_data

SMALL = [
    "data=moving_digits",
    "data.digits=1",
    "data.size=16",
    "data.frames=4",
    "data.clips=60",
    "data.test_clips=40",
    "tokenizer=pixels",
    "prior=space_time_dit",
    "prior/backbone=space_time_dit_s_2",
    "prior.backbone.width=32",
    "prior.backbone.depth=1",
    "prior.backbone.heads=2",
    "sampler=ddim",
    "sampler.steps=2",
]


@pytest.fixture
def clips(tmp_path, monkeypatch):
    """`clips(*overrides)`: parts whose prior knows nothing."""
    monkeypatch.setenv("LDM_CACHE", str(tmp_path / "cache"))
    few = Settings(feature_size=8, width=2, samples=128)
    monkeypatch.setattr(MotionClassifier, "default", few)

    def build(*overrides: str) -> Parts:
        config = compose([*SMALL, f"run={tmp_path}/run", *overrides])
        data = build_data(config)
        return Parts(config, data, build_models(config, data, ["tokenizer", "prior"]))

    return build
