"""The wavelet loss of WF-VAE.

Source: Li et al., "WF-VAE", 2025, section 3.2.
"""

from typing import Any

from jaxtyping import Float
from torch import Tensor

from data import Batch

__all__ = ["WaveletError"]


class WaveletError:
    """Absolute differences of the low frequencies of data and those that the decoder made.

    They are summed over both levels of wavelet bands, and averaged over the samples. Bands of data
    have no weights, so the gradient is the decoder's, and reaches the encoder by the latent alone.

    It is a term of a `Regularizer`, for a `WaveletTokenizer`.
    """

    def __call__(
        self, tokenizer: Any, batch: Batch, encoded: Any, reconstruction: Batch, *_: Any
    ) -> Float[Tensor, ""]:
        """Compute the term of a batch, in sums per sample."""
        bands = tokenizer.encoder.bands(batch["x"])._asdict()
        total = sum((reconstruction[key] - band).abs().sum() for key, band in bands.items())
        return total / len(batch["x"])
