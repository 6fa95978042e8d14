"""LPIPS against TorchMetrics with the same weights, and properties of a distance."""

from dataclasses import replace

import pytest
import torch
from torchmetrics.functional.image.lpips import _NoTrainLpips

from ldm.hub.published import PUBLISHED
from ldm.hub.weights import BadCheckpoint
from ldm.losses.lpips import LPIPS, TRUNKS

SEED = 0


@pytest.fixture(scope="module", params=sorted(TRUNKS))
def network(request):
    return request.param


@pytest.fixture(scope="module")
def trunk(network, tmp_path_factory):
    """A weights file in torchvision's format, random, with activations that do not vanish."""
    with torch.device("meta"):
        shapes = LPIPS(network).features.state_dict()
    generator = torch.Generator().manual_seed(SEED)
    weights = {"classifier.0.weight": torch.zeros(2, 2)}  # the published files hold more
    for name, value in shapes.items():
        scale = (2 / value[0].numel()) ** 0.5 if value.ndim == 4 else 0.1
        weights[f"features.{name}"] = scale * torch.randn(value.shape, generator=generator)
    path = tmp_path_factory.mktemp("trunk") / f"{network}.pth"
    torch.save(weights, path)
    return path


@pytest.fixture(scope="module")
def distance(network, trunk):
    return LPIPS(network, trunk)


def pictures(n: int, channels: int = 3, seed: int = 1) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(n, channels, 48, 40, generator=generator) * 2 - 1


def test_agrees_with_torchmetrics_on_the_same_weights(network, distance, trunk):
    theirs = _NoTrainLpips(net=network, pnet_rand=True)
    # TorchMetrics splits the network into slices, with convolutions in the same order.
    weights = [v for k, v in torch.load(trunk, weights_only=True).items() if "features" in k]
    convolutions = list(theirs.net.state_dict().values())
    assert len(weights) == len(convolutions)
    with torch.no_grad():
        for own, value in zip(convolutions, weights, strict=True):
            own.copy_(value)
        x, y = pictures(3), pictures(3, seed=2)
        expected = theirs(x, y).flatten()
    assert expected.min() > 1e-3
    torch.testing.assert_close(distance(x, y), expected, rtol=1e-4, atol=1e-6)


def test_distances_are_per_pair_symmetric_and_zero_for_equal_images(distance):
    x, y = pictures(3), pictures(3, seed=2)
    both = distance(x, y)
    torch.testing.assert_close(distance(x, x), torch.zeros(3), rtol=0, atol=0)
    torch.testing.assert_close(distance(y, x), both)
    torch.testing.assert_close(distance(x[[2, 0, 1]], y[[2, 0, 1]]), both[[2, 0, 1]])


def test_one_channel_images_are_repeated_to_three(distance):
    x, y = pictures(2, 1), pictures(2, 1, seed=2)
    torch.testing.assert_close(distance(x, y), distance(x.repeat(1, 3, 1, 1), y.repeat(1, 3, 1, 1)))


def test_input_range_maps_images_to_zero_to_one(network, trunk, distance):
    x, y = pictures(2), pictures(2, seed=2)
    slip = LPIPS(network, trunk, input_range=(0, 1))
    torch.testing.assert_close(slip(x, y), distance((x + 1) / 2, (y + 1) / 2))


def test_gradients_reach_the_image_and_not_the_weights(distance):
    x = torch.zeros(
        1, 3, 48, 40
    ).requires_grad_()  # constant, so features may be zero at some pixels
    distance(x, pictures(1)).sum().backward()
    assert x.grad.isfinite().all()
    assert x.grad.abs().sum() > 0
    assert all(p.grad is None for p in distance.parameters())
    distance.train()
    assert not distance.training


@pytest.mark.parametrize("noise", [0.01, 0.1, 1.0])
def test_half_precision_features_are_compared_in_float32(distance, noise):
    x = pictures(2)
    y = x + noise * pictures(2, seed=2)
    seen = []
    hooks = [
        distance.features[tap].register_forward_hook(lambda *given: seen.append(given[2]))
        for tap in distance.taps
    ]
    with torch.autocast("cpu", torch.bfloat16):
        got = distance(x, y)
    for hook in hooks:
        hook.remove()
    assert {features.dtype for features in seen} == {torch.bfloat16}
    # The two are seen in turn, a tap of each: the sum of differences of directions, in float64.
    directions = [torch.nn.functional.normalize(f.double(), dim=1) for f in seen]
    expected = sum(
        ((a - b).square().mean((2, 3)) * head).sum(1)
        for a, b, head in zip(directions[::2], directions[1::2], distance.heads, strict=True)
    )
    assert got.dtype == torch.float32
    torch.testing.assert_close(got.double(), expected, rtol=1e-3, atol=0)


def test_a_module_built_on_meta_loads_weights_after_materialisation(network, trunk, distance):
    with torch.device("meta"):
        late = LPIPS(network, trunk)
    late.to_empty(device="cpu").load()
    x, y = pictures(1), pictures(1, seed=2)
    torch.testing.assert_close(late(x, y), distance(x, y), rtol=0, atol=0)


def test_invalid_images_and_weights_are_refused(network, distance, trunk, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="1 or 3 channels"):
        distance(torch.zeros(1, 4, 64, 64), torch.zeros(1, 4, 64, 64))
    with pytest.raises(ValueError, match="pixels or more a side"):
        distance(torch.zeros(1, 3, 8, 8), torch.zeros(1, 3, 8, 8))
    side = TRUNKS[network].smallest
    assert distance(torch.zeros(1, 3, side, side), torch.ones(1, 3, side, side)).isfinite().all()

    other = "alex" if network == "vgg" else "vgg"
    with pytest.raises(ValueError, match=r"does not fit LPIPS"):
        LPIPS(other, trunk)
    cut = tmp_path / "cut.pth"
    cut.write_bytes(trunk.read_bytes()[:1000])
    with pytest.raises(ValueError, match="not a whole file of weights"):
        LPIPS(network, cut)
    with pytest.raises(ValueError, match="network among"):
        LPIPS("resnet")


def test_a_failed_download_says_which_file_to_put_where(network, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("LDM_CACHE", str(tmp_path / "cache"))
    name = TRUNKS[network].weights
    unreachable = replace(PUBLISHED[name], url=(tmp_path / "server" / "net.pth").as_uri())
    monkeypatch.setitem(PUBLISHED, name, unreachable)
    with pytest.raises(BadCheckpoint) as caught:
        LPIPS(network)
    assert unreachable.url in str(caught.value)
    assert str(tmp_path / "cache" / unreachable.names[0]) in str(caught.value)
