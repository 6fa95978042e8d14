"""The authors' autoencoders compute the same here, and come back bit for bit."""

import pytest
import torch
from authors import authors_names, autoencoder, randomized

from ldm.bottlenecks import Gaussian, VectorQuantizer
from ldm.config.compose import compose
from ldm.hub.compvis import autoencoder_from_compvis, autoencoder_to_compvis
from ldm.hub.sizes import autoencoder_sizes
from ldm.networks.images.compvis import Decoder, Encoder
from ldm.run.models import build_models
from ldm.run.parts import build_data
from ldm.tokenizers import Tokenizer

KINDS = {
    "kl-f8": {"levels": [32, 64, 128, 128], "layers_per_block": 2},
    "taming f16": {
        "levels": [32, 32, 64, 64, 128],
        "attention": [4],
        "layers_per_block": 2,
        "latent": 8,
        "codes": 32,
    },
}
COUNTS = {  # of the papers' sheets; a codebook comes on top
    "kl_f4": 55_312_063,
    "kl_f8": 83_653_863,
    "kl_f16": 69_610_963,
    "kl_f32": 103_880_131,
    "vq_f4": 55_298_206,
    "vq_f8": 67_651_759,
    "vq_f16": 69_462_299,
    "taming_f16": 71_879_555,
}


def tokenizer(state) -> Tokenizer:
    """Ours of the sizes that the file has, with its weights."""
    ours = autoencoder_from_compvis(state)
    sizes = autoencoder_sizes(ours)
    (latent,), codes = sizes["bottleneck.shape"], sizes.get("bottleneck.codes")
    bottleneck = VectorQuantizer([latent], codes, unquantized=True) if codes else Gaussian([latent])
    encoder = {k.removeprefix("encoder."): x for k, x in sizes.items() if k.startswith("encoder")}
    networks = (
        Encoder(3, bottleneck.in_channels, **encoder),
        bottleneck,
        Decoder(latent, 3, **encoder),
    )
    model = Tokenizer(*networks).eval()
    model.load_state_dict(ours | {"mean": model.mean, "std": model.std})
    return model


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_an_authors_autoencoder_computes_what_another_library_does(kind):
    theirs = randomized(autoencoder(**KINDS[kind]))
    ours = tokenizer(authors_names(theirs))
    x = torch.randn(2, 3, 32, 32)
    encoded = ours.encode({"x": x})
    if kind == "kl-f8":
        posterior = theirs.encode(x).latent_dist
        raw, latent = posterior.parameters, posterior.mean
    else:
        raw = latent = theirs.encode(x).latents
    torch.testing.assert_close(encoded.raw, raw, atol=1e-5, rtol=1e-5)
    decoded = theirs.decode(latent).sample
    torch.testing.assert_close(ours.decode(latent)["x"], decoded, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("inside", ["", "first_stage_model."])
@pytest.mark.parametrize("kind", KINDS)
def test_there_and_back_no_bit_changes_and_other_parts_are_left_out(kind, inside):
    theirs = authors_names(autoencoder(**KINDS[kind]))
    more = {"loss.discriminator.main.0.weight": torch.zeros(1), "cond.weight": torch.zeros(1)}
    ours = autoencoder_from_compvis({inside + key: x for key, x in theirs.items()} | more)
    back = autoencoder_to_compvis(ours | {"mean": torch.zeros(4), "std": torch.ones(4)})
    assert back.keys() == theirs.keys()
    assert all(torch.equal(back[key], x) for key, x in theirs.items())


@pytest.mark.parametrize("name", COUNTS)
def test_a_published_size_has_the_published_names_shapes_and_count(name):
    group = name.replace("taming", "vq")
    config = compose([f"tokenizer={group}", "data=imagenet256", "stages=[tokenizer]", "run=x"])
    if name == "taming_f16":
        config.tokenizer.bottleneck.shape, config.tokenizer.bottleneck.codes = [256], 1024
    model = build_models(config, build_data(config), ["tokenizer"], "meta")["tokenizer"]
    encoder, bottleneck = config.tokenizer.encoder, config.tokenizer.bottleneck
    sides = [encoder.resolution // 2**i for i in range(len(encoder.multipliers))]
    with torch.device("meta"):
        theirs = autoencoder(
            levels=[encoder.width * m for m in encoder.multipliers],
            attention=[i for i, side in enumerate(sides) if side in encoder.attention_resolutions],
            latent=bottleneck.shape[0],
            codes=bottleneck.get("codes"),
            layers_per_block=encoder.blocks,
        )
    published = authors_names(theirs)
    ours = autoencoder_to_compvis(model.state_dict())
    assert {k: x.shape for k, x in ours.items()} == {k: x.shape for k, x in published.items()}
    codebook = published.pop("quantize.embedding.weight", None)
    assert sum(x.numel() for x in published.values()) == COUNTS[name]
    assert codebook is None or codebook.shape == (bottleneck.codes, bottleneck.shape[0])


def test_a_file_of_something_else_is_refused():
    with pytest.raises(ValueError, match=r"no quant_conv\.weight, .*it has net\.weight"):
        autoencoder_from_compvis({"net.weight": torch.zeros(1)})
