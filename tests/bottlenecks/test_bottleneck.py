"""Laws that every bottleneck obeys."""

from functools import partial

import pytest
import torch

from ldm.bottlenecks import (
    BinarySphericalQuantizer,
    DiscreteBottleneck,
    EMAVectorQuantizer,
    FiniteScalarQuantizer,
    Gaussian,
    GroupedSphericalQuantizer,
    LookupFreeQuantizer,
    ResidualQuantizer,
    VectorQuantizer,
)

BOTTLENECKS = {
    "gaussian": lambda: Gaussian([4, 8, 8]),
    "vector": lambda: VectorQuantizer([4, 8, 8], 300, init="symmetric"),
    "vector-l2": lambda: VectorQuantizer([4, 8, 8], 300, l2=True, init="sphere"),
    "ema": lambda: EMAVectorQuantizer([4, 8, 8], 300),
    "spherical": lambda: GroupedSphericalQuantizer([8, 8, 8], 2, 300),
    "circular": lambda: GroupedSphericalQuantizer([4, 8, 8], 2, 300),
    "clipped": lambda: GroupedSphericalQuantizer([4, 8, 8], 4, 300, normalize="clip"),
    "rotated": lambda: GroupedSphericalQuantizer([8, 8, 8], 2, 300, rotation=True),
    "l1": lambda: GroupedSphericalQuantizer([8, 8, 8], 2, 300, normalize="l1"),
    "finite": lambda: FiniteScalarQuantizer([7, 6, 6], [8, 8]),
    "lookup-free": lambda: LookupFreeQuantizer([8, 8, 8]),
    "binary": lambda: BinarySphericalQuantizer([8, 8, 8]),
    "residual": lambda: ResidualQuantizer([4, 8, 8], 3, partial(VectorQuantizer, codes=300)),
    "wide": lambda: GroupedSphericalQuantizer([32, 8, 8], 1, 300),
}

every = pytest.mark.parametrize("make", BOTTLENECKS.values(), ids=BOTTLENECKS)


@every
def test_builds_and_runs_without_memory(make):
    with torch.device("meta"):
        bottleneck = make()
        encoded = bottleneck(torch.empty(2, bottleneck.in_channels, 8, 8))
    assert encoded.latent.shape == (2, *bottleneck.space.shape)
    assert encoded.latent.is_meta
    assert all(loss.shape == () for loss in encoded.losses.values())


@every
def test_weights_drawn_after_the_meta_device_are_finite(make):
    with torch.device("meta"):
        bottleneck = make()
    bottleneck = bottleneck.to_empty(device="cpu")
    if hasattr(bottleneck, "reset_parameters"):
        bottleneck.reset_parameters()
    encoded = bottleneck(torch.randn(2, bottleneck.in_channels, 8, 8))
    assert encoded.latent.isfinite().all()


@every
@pytest.mark.parametrize("grid", [(3, 5), (7,), (2, 3, 4)], ids=["plane", "line", "volume"])
def test_accepts_other_grids_than_it_declares(make, grid):
    bottleneck = make().eval()
    encoded = bottleneck(torch.randn(2, bottleneck.in_channels, *grid))
    assert encoded.latent.shape == (2, bottleneck.space.shape[0], *grid)
    decoded = bottleneck.decodable(bottleneck.mode(encoded.raw))
    assert decoded.shape == encoded.latent.shape
    if isinstance(bottleneck, DiscreteBottleneck):
        assert encoded.codes.shape == (2, *grid, bottleneck.groups)
        assert torch.equal(decoded, encoded.latent)
        assert 0 < encoded.stats["usage"] <= 1 <= encoded.stats["perplexity"] <= 300


@every
def test_autocast_changes_nothing(make):
    bottleneck = make().eval()
    h = torch.randn(2, bottleneck.in_channels, 8, 8)
    expected = bottleneck(h, torch.Generator().manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16):
        found = bottleneck(h, torch.Generator().manual_seed(0))
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


@every
def test_half_precision_features_are_read_in_full(make):
    bottleneck = make().eval()
    h = torch.randn(2, bottleneck.in_channels, 8, 8).bfloat16()
    expected = bottleneck(h.float(), torch.Generator().manual_seed(0))
    found = bottleneck(h, torch.Generator().manual_seed(0))
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


@every
def test_statistics_are_detached_and_losses_are_not(make):
    bottleneck = make()
    h = torch.randn(2, bottleneck.in_channels, 8, 8, requires_grad=True)
    encoded = bottleneck(h)
    assert all(loss.requires_grad for loss in encoded.losses.values())
    assert not any(value.requires_grad for value in encoded.stats.values())
