"""Refusals of parts that cannot be kept: one message, before anything is drawn."""

import pytest
import torch
from omegaconf import OmegaConf

from data import Digits
from ldm.config.compose import ConfigError
from ldm.objectives import BridgeMatching, Regression
from ldm.priors import Denoiser, Prior
from ldm.processes import DiffusionMixture, LinearFlow
from ldm.processes.rates import Linear
from ldm.run.inpainting import inpainting
from ldm.run.parts import Parts
from ldm.samplers import EulerODE
from ldm.spaces import Flat, Torus


class WithoutProcess(Prior):
    """A prior that samples on its own."""

    def loss(self, latent, condition, generator=None): ...

    def sample(self, n, condition, sampler, generator=None, guidance=None): ...


def denoiser(process, objective):
    return Denoiser(torch.nn.Identity(), process, objective)


@pytest.mark.parametrize(
    ("prior", "places", "message"),
    [
        (WithoutProcess(), (4, 4), "no process that a sampler walks"),
        (denoiser(LinearFlow(Flat([1, 2, 2])), Regression("velocity")), (4, 4), "other places"),
        (
            denoiser(DiffusionMixture(Torus(1), Linear()), BridgeMatching()),
            (),
            "a DiffusionMixture cannot be led to data that are known",
        ),
    ],
    ids=["process", "places", "bridges"],
)
def test_what_cannot_be_kept_is_refused(prior, places, message):
    parts = Parts(OmegaConf.create(), Digits(), {"prior": prior})
    condition = {"kept": torch.ones(2, *places, dtype=torch.bool)}
    with pytest.raises(ConfigError, match=f"nothing can be kept: .*{message}"):
        inpainting(parts, EulerODE(2), condition)
