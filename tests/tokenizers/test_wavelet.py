"""The tokenizer of WF-VAE hands bands to losses, and encodes and decodes clips in chunks."""

import torch
from torch.testing import assert_close

from ldm.bottlenecks import Gaussian
from ldm.networks.videos.wf_vae import Decoder, Encoder
from ldm.tokenizers import WaveletTokenizer


def tokenizer(**chunks) -> WaveletTokenizer:
    torch.manual_seed(0)
    encoder = Encoder(1, 8, width=4, flow=4, chunk=chunks.get("encoder"))
    decoder = Decoder(4, 1, width=4, flow=4, chunk=chunks.get("decoder"))
    return WaveletTokenizer(encoder, Gaussian([4, 3, 1, 1]), decoder).eval()


def test_the_reconstruction_is_the_decoded_latent_and_has_its_bands():
    model, batch = tokenizer(), {"x": torch.randn(2, 1, 9, 8, 8)}
    reconstruction, encoded = model(batch, torch.Generator().manual_seed(0))
    assert_close(reconstruction["x"], model.decode(encoded.latent)["x"])
    assert reconstruction["low2"].shape == (2, 4, 5, 2, 2)
    assert reconstruction["low3"].shape == (2, 8, 3, 1, 1)


def test_chunks_encode_and_decode_to_the_same():
    batch = {"x": torch.randn(2, 1, 17, 8, 8)}
    whole, chunked = tokenizer(), tokenizer(encoder=1, decoder=2)
    encoded = whole.encode(batch, torch.Generator().manual_seed(0))
    again = chunked.encode(batch, torch.Generator().manual_seed(0))
    assert_close(again.raw, encoded.raw, atol=1e-6, rtol=0)
    decoded = whole.decode(encoded.latent)["x"]
    assert_close(chunked.decode(encoded.latent)["x"], decoded, atol=3e-6, rtol=0)
