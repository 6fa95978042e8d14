"""The one prior whose every quantity is known: that of Gaussian data."""

import pytest
import torch

from ldm.processes import Denoised
from ldm.tensors import like


class GaussianData:
    """Latents of independent N(mean, std^2) elements."""

    mean, std = 0.5, 0.3

    def denoise(self, process):
        """Optimal prediction for noisy latents."""

        def denoise(noisy, t, condition):
            alpha, sigma = (like(scale, noisy) for scale in process.alpha_sigma(t))
            surprise = (noisy - alpha * self.mean) / (alpha**2 * self.std**2 + sigma**2)
            return Denoised(self.mean + alpha * self.std**2 * surprise, sigma * surprise)

        return denoise

    def flow_to_data(self, process, noisy, t):
        """Exact probability flow of noisy latents: it keeps their quantiles."""
        alpha, sigma = (like(scale, noisy) for scale in process.alpha_sigma(t))
        deviation = torch.sqrt(alpha**2 * self.std**2 + sigma**2)
        return self.mean + self.std * (noisy - alpha * self.mean) / deviation


@pytest.fixture
def data() -> GaussianData:
    return GaussianData()
