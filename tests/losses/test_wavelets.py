"""The wavelet loss: zero for equal bands, sums of a sample, and whose weights it moves."""

import torch
from torch.testing import assert_close

from ldm.bottlenecks import Gaussian
from ldm.losses import WaveletError
from ldm.networks.videos.wf_vae import Decoder, Encoder
from ldm.tokenizers import WaveletTokenizer


def setting():
    torch.manual_seed(0)
    networks = Encoder(1, 8, width=4, flow=4), Decoder(4, 1, width=4, flow=4)
    tokenizer = WaveletTokenizer(networks[0], Gaussian([4, 2, 1, 1]), networks[1])
    batch = {"x": torch.randn(3, 1, 5, 8, 8)}
    return tokenizer, batch, tokenizer(batch)


def test_it_is_zero_for_the_datas_bands_and_their_absolute_difference_otherwise():
    tokenizer, batch, (reconstruction, encoded) = setting()
    error, bands = WaveletError(), tokenizer.encoder.bands(batch["x"])
    assert error(tokenizer, batch, encoded, bands._asdict()) == 0
    shifted = {"low2": bands.low2 + 1, "low3": bands.low3 - 2}
    numbers = bands.low2[0].numel() + 2 * bands.low3[0].numel()
    assert_close(error(tokenizer, batch, encoded, shifted), torch.tensor(float(numbers)))
    expected = sum(
        (reconstruction[key] - band).abs().sum() for key, band in bands._asdict().items()
    )
    assert_close(error(tokenizer, batch, encoded, reconstruction), expected / 3)


def test_its_gradient_is_the_decoders_and_reaches_the_encoder_by_the_latent_alone():
    tokenizer, batch, (_, encoded) = setting()
    x, bands = tokenizer.decoder.with_bands(encoded.latent.detach())
    WaveletError()(tokenizer, batch, encoded, {"x": x, **bands._asdict()}).backward()
    heads = ("conv_in.weight", "connect_l2.1.weight", "connect_l1.1.weight")
    assert all(dict(tokenizer.decoder.named_parameters())[name].grad.any() for name in heads)
    assert all(p.grad is None for p in tokenizer.encoder.parameters())
    assert tokenizer.decoder.conv_out.weight.grad is None  # nothing of the high band
