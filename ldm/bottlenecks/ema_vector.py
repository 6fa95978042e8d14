"""A vector quantiser whose codes are moving averages of the tokens assigned to them.

Source: van den Oord, Vinyals and Kavukcuoglu, "Neural Discrete Representation Learning", 2017,
appendix A.1, with Laplace smoothing of the counts.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, distributed

from ldm.bottlenecks.vector import VectorQuantizer
from ldm.randomness import Generators, uniform

__all__ = ["EMAVectorQuantizer"]


class EMAVectorQuantizer(VectorQuantizer):
    """Sets each code to the moving average of its tokens; no gradient reaches the codebook.

    Each training step with gradients enabled updates, from the tokens of all ranks, with decay g
    and epsilon e:

        n_j <- g n_j + (1 - g) #tokens of j        m_j <- g m_j + (1 - g) sum of tokens of j
        c_j  = m_j / ((n_j + e) / (N + V e) N)     N = sum of n_j

    Initially n_j = 1 and m_j = c_j, so that a code not yet used does not move. The loss `codebook`
    is the commitment loss alone, beta <(sg q - z)^2>. With `restart`, codes whose n_j is less begin
    anew, at a random token of the step each (Zeghidour et al. 2021, section III.C); their n_j is
    then `restart`.

    Args:
        shape: of one latent, `(channels, *grid)`; other grids are accepted, too.
        codes: rows of the codebook.
        decay: of the running sums, per step.
        epsilon: added to each count, in tokens.
        beta: weight of the commitment loss.
        restart: the least n_j, in tokens a step; None for codes that never begin anew.
        unquantized, rotation: see `VectorQuantizer`.

    Raises:
        ValueError: the features do not have the latent's channels.

    Example:
        >>> quantizer = EMAVectorQuantizer([4, 8, 8], codes=16)
        >>> list(quantizer.parameters())
        []
    """

    codebook: Float[Tensor, "v d"]
    counts: Float[Tensor, " v"]
    sums: Float[Tensor, "v d"]

    def __init__(
        self,
        shape: Sequence[int],
        codes: int,
        decay: float = 0.99,
        epsilon: float = 1e-5,
        beta: float = 0.25,
        restart: float | None = None,
        unquantized: bool = False,
        rotation: bool = False,
    ) -> None:
        super().__init__(shape, codes, beta=beta, unquantized=unquantized, rotation=rotation)
        self.decay, self.epsilon, self.restart = decay, epsilon, restart
        self.weights = (0.0, beta)
        codebook = self.codebook.detach()
        del self.codebook  # replaces the parent's parameter by a buffer, which no optimizer updates
        self.register_buffer("codebook", codebook)
        self.register_buffer("counts", torch.ones(codes))
        self.register_buffer("sums", codebook.clone())

    def reset_parameters(self) -> None:
        super().reset_parameters()
        if hasattr(self, "sums"):
            self.counts.fill_(1)
            self.sums.copy_(self.codebook)

    @torch.no_grad()
    def learn(
        self, tokens: Float[Tensor, "n d"], codes: Int[Tensor, " n"], generator: Generators
    ) -> None:
        """Update the codebook with the tokens of this step; a collective call of all ranks."""
        ones = tokens.new_ones(len(tokens), 1)
        # Sums, and counts in the last column: one tensor, so one reduction over ranks.
        batch = tokens.new_zeros(self.vocabulary, tokens.shape[1] + 1)
        batch.index_add_(0, codes, torch.cat([tokens, ones], dim=1))
        if distributed.is_available() and distributed.is_initialized():
            distributed.all_reduce(batch)
        self.sums.lerp_(batch[:, :-1].to(self.sums), 1 - self.decay)
        self.counts.lerp_(batch[:, -1].to(self.counts), 1 - self.decay)
        if self.restart is not None and not tokens.is_meta:  # there, nothing can be counted
            self._begin_anew(tokens, generator)
        total = self.counts.sum()
        smoothed = (self.counts + self.epsilon) / (total + self.vocabulary * self.epsilon) * total
        self.codebook.copy_(self.sums / smoothed[:, None])

    def _begin_anew(self, tokens: Float[Tensor, "n d"], generator: Generators) -> None:
        """Put the codes that are hardly used at random tokens, those of the first rank."""
        (dead,) = (self.counts < self.restart).nonzero(as_tuple=True)
        if len(dead) == 0:
            return
        one = generator[0] if isinstance(generator, Sequence) else generator
        picked = (uniform((len(dead),), one, tokens.device, torch.float64) * len(tokens)).long()
        rows = tokens[picked].to(self.sums)
        if distributed.is_available() and distributed.is_initialized():
            distributed.broadcast(rows, 0)
        self.counts[dead] = self.restart
        self.sums[dead] = self.restart * rows
