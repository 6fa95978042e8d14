"""Runs of points on the sphere, scored on few of them."""

import pytest
import torch
from torch import nn

from ldm.config.compose import compose
from ldm.run.models import build_models
from ldm.run.parts import Parts


@pytest.fixture
def parts(tmp_path):
    """`parts(data)`: a prior that knows nothing, on the sphere, scored on few points."""

    def build(data) -> Parts:
        few = ["eval.samples=1000", "eval.mass=500", "eval.likelihood.steps=2"]
        few += [
            "sampler.steps=3",
            "eval.batch_size=8000",
            "prior.backbone.width=8",
            "prior.backbone.depth=1",
        ]
        config = compose(["experiment=demo/sphere", f"run={tmp_path}/run", *few])
        models = build_models(config, data, ["prior"])
        prior = models["prior"]
        for parameter in prior.parameters():
            nn.init.zeros_(parameter)
        return Parts(config, data, models)

    return build


@pytest.fixture
def learned(parts):
    """`learned(data)`: parts whose prior is a network that says something, by chance."""

    def build(data) -> Parts:
        made = parts(data)
        generator = torch.Generator().manual_seed(0)
        for parameter in made.prior.parameters():
            nn.init.normal_(parameter, std=0.3, generator=generator)
        made.config.eval.samples = 61
        made.config.eval.mass = 101
        return made

    return build
