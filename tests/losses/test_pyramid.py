"""The perceptual loss of features of VGG-19 at several resolutions."""

import pytest
import torch
from torchvision.models import vgg19

from ldm.losses import PyramidPerceptual


@pytest.fixture(scope="module")
def loss(tmp_path_factory):
    """Loss with random weights in a file of torchvision's layout, and that network."""
    torch.manual_seed(0)
    with torch.device("meta"):
        network = vgg19().features
    network.to_empty(device="cpu")
    for one in network.parameters():
        torch.nn.init.normal_(one, std=0.03)
    file = tmp_path_factory.mktemp("weights") / "vgg19.pth"
    features = {f"features.{key}": one for key, one in network.state_dict().items()}
    torch.save(features, file)
    return PyramidPerceptual(file), network


def test_it_is_the_mean_difference_of_torchvisions_layers(loss):
    distance, features = loss
    x, y = torch.rand(2, 1, 3, 128, 128)
    painted, target = (2 * one[:, :, None] - 1 for one in (x, y))
    mean, std = (
        torch.tensor(one).view(3, 1, 1) for one in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    )
    expected = torch.zeros(())
    for reduce in distance.resolutions:
        a, b = ((reduce(one) - mean) / std for one in (x, y))
        for index, layer in enumerate(features):
            a, b = layer(a.clone()), layer(b.clone())
            if index in (1, 6, 11, 20, 29):
                expected = expected + (a - b).abs().mean()
            if index == 29:
                break
    found = distance(None, {}, None, {"x": painted, "target": target})
    assert torch.allclose(found, expected, rtol=1e-4)
