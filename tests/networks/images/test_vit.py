"""Transformers of image tokenizers: their published size, and what becomes of a patch."""

import pytest
import torch

from ldm.networks.images.vit import Decoder, Encoder

SIZES = {"shape": [3, 16, 24], "patch": 8, "width": 32, "depth": 2, "heads": 2}


def test_the_published_size_is_that_of_two_base_transformers():
    with torch.device("meta"):
        networks = Encoder(), Decoder()
    width, values, tokens = 768, 3 * 8 * 8, 32 * 32
    block = 12 * width**2 + 13 * width
    shared = 12 * block + tokens * width + 4 * width
    expected = [
        shared + (values + 1) * width + 18 * (width + 1),
        shared + (18 + 1) * width + values * (width + 1),
    ]
    counts = [sum(p.numel() for p in network.parameters()) for network in networks]
    assert counts == expected
    assert sum(counts) == 172_012_242


@torch.no_grad()
def test_patches_come_and_go_in_their_places():
    torch.manual_seed(0)
    encoder, decoder = Encoder(3, 5, **SIZES), Decoder(5, 3, **SIZES)
    for network in (encoder, decoder):  # blocks that pass on, and places that are all alike
        network.tokens.places.zero_()
        network.tokens.blocks = torch.nn.ModuleList()
    x = torch.zeros(1, 3, 16, 24)
    x[..., :8, 16:] = torch.randn(3, 8, 8)  # the patch of row 0, column 2
    features = encoder(x)
    assert features.shape == (1, 5, 2, 3)
    different = (features != features[..., 1:, :1]).any(1)[0]
    assert different.nonzero().tolist() == [[0, 2]]
    pictures = decoder(features)
    assert pictures.shape == (1, 3, 16, 24)
    other = (pictures[..., :8, :8] != pictures[..., :8, 16:]).any()
    assert other
    assert torch.equal(pictures[..., :8, :8], pictures[..., 8:, 8:16])


def test_places_count_and_other_sides_are_refused():
    torch.manual_seed(0)
    encoder = Encoder(3, 5, **SIZES)
    same = encoder(torch.ones(1, 3, 16, 24)).flatten(2)
    assert not torch.allclose(same[..., 0], same[..., 1])
    with pytest.raises(ValueError, match="built for images of 16 x 24, found 24 x 16"):
        encoder(torch.zeros(1, 3, 24, 16))
    with pytest.raises(ValueError, match="patches of side 8 do not tile images of 20 x 24"):
        Encoder(3, 5, [3, 20, 24])
