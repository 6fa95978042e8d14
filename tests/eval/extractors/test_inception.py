"""Our Inception against torch-fidelity's, on the same random weights."""

import pytest
import torch
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

from data.files.download import digest
from eval.extractors import Inception
from eval.extractors.inception_network import InceptionNetwork


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A file of random weights under which activations neither fade nor explode."""
    network, generator = InceptionNetwork(), torch.Generator().manual_seed(0)
    for name, value in network.state_dict().items():
        if value.ndim == 4:
            value.normal_(0, (2 / value[0].numel()) ** 0.5, generator=generator)
        elif name.endswith(("bias", "running_mean")):
            value.normal_(0, 0.1, generator=generator)
    path = tmp_path_factory.mktemp("weights") / "inception.pth"
    torch.save(network.state_dict(), path)
    return path


@pytest.fixture(scope="module")
def inception(weights):
    return Inception(weights=weights)


def pictures(n: int, size: int, channels: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(size)
    shape = (n, channels, size, size)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


def test_features_and_logits_are_torch_fidelitys(inception, weights):
    theirs = FeatureExtractorInceptionV3(
        "inception", ["2048", "logits_unbiased"], feature_extractor_weights_path=str(weights)
    )
    x = pictures(2, 48)
    pooled, logits = theirs(x)
    ours = inception(x)
    assert pooled.std() > 0.1  # else the comparison says nothing
    torch.testing.assert_close(ours.pooled, pooled, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(ours.logits, logits, rtol=1e-4, atol=1e-5)


def test_spatial_features_are_seven_channels_of_17_by_17_channels_last(inception):
    seen = []
    hook = inception.network.Mixed_6d.branch1x1.register_forward_hook(
        lambda module, inputs, output: seen.append(output)
    )
    with hook:
        spatial = inception(pictures(1, 32)).spatial
    assert seen[0].shape == (1, 192, 17, 17)
    torch.testing.assert_close(spatial.reshape(17, 17, 7)[3, 5], seen[0][0, :7, 3, 5])


def test_grey_is_colour_thrice_and_neither_autocast_nor_train_changes_a_bit(inception):
    grey = pictures(1, 20, channels=1)
    expected = inception(grey.expand(-1, 3, -1, -1)).pooled
    inception.train()
    assert not inception.training
    with torch.autocast("cpu", torch.bfloat16):
        got = inception(grey).pooled
    torch.testing.assert_close(got, expected, rtol=0, atol=0)
    assert not got.requires_grad


def test_in_bfloat16_features_are_those_of_autocast(inception, weights):
    narrow = Inception(weights=weights, precision="bfloat16")
    x = pictures(1, 20)
    got, exact = narrow(x).pooled, inception(x).pooled
    assert got.dtype == torch.float32
    assert not torch.equal(got, exact)
    torch.testing.assert_close(got, exact, rtol=0.1, atol=0.1)
    assert narrow.protocol["precision"] == "bfloat16"
    with pytest.raises(ValueError, match="float32 or bfloat16, got 'half'"):
        Inception(weights=weights, precision="half")


def test_the_protocol_names_weights_and_resize(weights):
    extractor = Inception("clean", weights)
    assert extractor.protocol["resize"] == "clean"
    assert extractor.protocol["weights"] == digest(weights)[:8]


def test_it_is_the_published_network_in_size_and_names():
    with torch.device("meta"):
        network = InceptionNetwork()
    assert sum(p.numel() for p in network.parameters()) == 23_850_960  # torch-fidelity's too
    assert {"Mixed_7c.branch3x3dbl_3b.conv.weight", "Mixed_5b.branch5x5_2.bn.running_var",
            "Mixed_6a.branch3x3.conv.weight", "fc.bias"} <= set(network.state_dict())  # fmt: skip


def test_bad_input_is_refused_with_what_was_found(inception, tmp_path):
    with pytest.raises(ValueError, match="grey or colour pictures, got 4 channels"):
        inception(pictures(1, 20, channels=4))
    with pytest.raises(ValueError, match=r"resize among .*, got 'tf2'"):
        Inception("tf2")
    torch.save({"weight": torch.zeros(2)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match="does not fit Inception"):
        Inception(weights=tmp_path / "other.pth")
