"""The tokenizer of WF-VAE."""

from data import Batch
from ldm.bottlenecks import Encoded
from ldm.networks.videos.wf_vae import Decoder
from ldm.randomness import Generators
from ldm.tokenizers.tokenizer import Tokenizer

__all__ = ["WaveletTokenizer"]


class WaveletTokenizer(Tokenizer):
    """A tokenizer whose decoder makes clips of wavelet bands, which a loss can compare.

    Args:
        **arguments: see `Tokenizer`; encoder and decoder are those of `ldm.networks.videos.wf_vae`.

    Example:
        >>> import torch
        >>> from ldm.bottlenecks import Gaussian
        >>> from ldm.networks.videos.wf_vae import Decoder, Encoder
        >>> small = {"width": 8, "flow": 8}
        >>> tokenizer = WaveletTokenizer(Encoder(**small), Gaussian([4, 2, 1, 1]), Decoder(**small))
        >>> sorted(tokenizer({"x": torch.zeros(1, 3, 5, 8, 8)})[0])
        ['low2', 'low3', 'x']
    """

    decoder: Decoder

    def forward(self, batch: Batch, generator: Generators = None) -> tuple[Batch, Encoded]:
        """Reconstruction of a batch with the decoder's `Bands`, and its encoding."""
        encoded = self.encode(batch, generator)
        x, bands = self.decoder.with_bands(encoded.latent)
        return {"x": x, **bands._asdict()}, encoded
