"""Data on the sphere, and the prior that knows its law, so that scores have closed forms."""

import math

import torch
from torch import nn

from data import PointDataset, VonMisesFisher
from ldm.config.compose import compose
from ldm.priors import Prior
from ldm.spaces import Sphere

KAPPA = 3.0
ALL = compose(["experiment=demo/sphere"]).eval.scorers
AREA = 4 * math.pi


class Known(VonMisesFisher):
    """A von Mises-Fisher law that says all it may of itself; outside is the uniform law."""

    outside = ("uniform",)

    def ood_dataset(self, name):
        return PointDataset(Sphere(2).random(4000, torch.Generator().manual_seed(1)))

    def action(self, x):
        return 7 - self.log_density(x)


class Exact(Prior):
    """The law of the data itself."""

    space = Sphere(2)

    def __init__(self, data):
        super().__init__()
        self.data, self.device = data, nn.Parameter(torch.zeros(()))

    def sample(self, n, condition, sampler, generator=None, guidance=None):
        u = torch.cat([torch.rand(1, 3, generator=one, dtype=torch.float64) for one in generator])
        return self.data.transform(u).float()

    def log_prob(self, latent, condition, likelihood, generator=None):
        return self.data.log_density(latent)

    loss = NotImplemented
