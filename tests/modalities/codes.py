"""An autoregressive prior over a quantiser's codes: no process, no sampler."""

import torch
from torch import nn

from ldm.priors import Prior
from ldm.randomness import uniform
from ldm.spaces import Categorical

__all__ = ["CodePrior"]


class CodePrior(Prior):
    """A recurrent network that predicts each code from those before it, and the class."""

    def __init__(self, space: Categorical, classes: int, width: int = 16) -> None:
        super().__init__()
        self.space = space
        self.start = nn.Embedding(classes, width)
        self.codes = nn.Embedding(space.vocabulary, width)
        self.cell = nn.GRU(width, width, batch_first=True)
        self.head = nn.Linear(width, space.vocabulary)

    def logits(self, codes: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        read = torch.cat([self.start(label)[:, None], self.codes(codes)], 1)
        return self.head(self.cell(read)[0])

    def loss(self, latent, condition, generator=None):
        flat = latent.flatten(1)
        logits = self.logits(flat[:, :-1], condition["label"])
        found = nn.functional.cross_entropy(logits.mT, flat, reduction="none")
        return {"loss": found.mean(1)}

    @torch.no_grad()
    def sample(self, n, condition, sampler, generator=None, guidance=None):
        codes = torch.empty(n, 0, dtype=torch.long)
        for _ in range(self.space.dim):
            odds = self.logits(codes, condition["label"])[:, -1].softmax(1).cumsum(1)
            u = uniform((n, 1), generator)
            following = (u > odds).sum(1, keepdim=True).clamp(max=self.space.vocabulary - 1)
            codes = torch.cat([codes, following], 1)
        return codes.unflatten(1, self.space.shape)
