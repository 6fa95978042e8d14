"""DINOv2's features: the class token after the last norm, of pictures resized as Pillow does."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch.testing import assert_close

from data.files.download import digest
from eval.extractors import DINOv2Features
from eval.extractors.resize import bicubic_bytes
from ldm.losses import DINOv2, dinov2

NARROW = {"width": 24, "depth": 2, "heads": 3}


@pytest.fixture
def weights(tmp_path, monkeypatch):
    monkeypatch.setitem(dinov2.SIZES, "L", NARROW)
    with torch.device("meta"):
        state = DINOv2("L").state_dict()
    generator = torch.Generator().manual_seed(0)
    drawn = {k: 0.2 * torch.randn(v.shape, generator=generator) for k, v in state.items()}
    torch.save(drawn, tmp_path / "weights.pth")
    return tmp_path / "weights.pth"


def pictures(*shape):
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)


def test_features_are_the_normalised_class_token_of_an_imagenet_picture(weights):
    extractor, images = DINOv2Features(weights), pictures(2, 3, 224, 224)
    mean, std = (
        torch.tensor(x).view(3, 1, 1) for x in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    )
    network = DINOv2("L", weights)
    expected = network.norm(network((images / 255 - mean) / std)[-1])[:, 0]
    with torch.autocast("cpu", torch.bfloat16):
        assert_close(extractor(images).pooled, expected)
    assert extractor(images).logits is None
    assert extractor.protocol["weights"] == digest(weights)[:8]
    grey = images[:, :1]
    assert_close(extractor(grey).pooled, extractor(grey.expand(-1, 3, -1, -1)).pooled)


@pytest.mark.parametrize("size", [(300, 500), (32, 48)])
def test_pictures_are_resized_as_pillow_does_to_one_level(size):
    image = pictures(1, 3, *size)
    pillow = Image.fromarray(image[0].permute(1, 2, 0).numpy())
    theirs = np.asarray(pillow.resize((224, 224), Image.Resampling.BICUBIC))
    ours = bicubic_bytes(image, 224)[0].permute(1, 2, 0).numpy()
    assert np.abs(ours - theirs).max() <= 1
    assert (ours == theirs).mean() > 0.9


def test_pictures_of_other_channels_are_refused(weights):
    with pytest.raises(ValueError, match="grey or colour pictures, got 2 channels"):
        DINOv2Features(weights)(pictures(1, 2, 28, 28))
