"""PSNR, SSIM and rounding of pixels against closed forms and scikit-image."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

from eval.metrics.pairs import PairScores, ms_ssim, psnr, ssim
from eval.metrics.pixels import from_uint8, to_uint8
from ldm.hub.published import cached
from ldm.losses import LPIPS


def images(n: int, size: int = 24, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (n, 3, size, size), dtype=torch.uint8, generator=generator)


def noisy(x: torch.Tensor, width: int) -> torch.Tensor:
    noise = torch.randint(-width, width + 1, x.shape, generator=torch.Generator().manual_seed(1))
    return (x.int() + noise).clamp(0, 255).byte()


def test_scores_agree_with_scikit_image():
    x = images(3)
    y = noisy(x, 40)
    for a, b, got_psnr, got_ssim in zip(x, y, psnr(x, y), ssim(x, y), strict=True):
        a, b = a.numpy(), b.numpy()
        expected = structural_similarity(
            a, b, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255,
            channel_axis=0,
        )  # fmt: skip
        assert got_ssim.item() == pytest.approx(expected, abs=1e-7)
        assert got_psnr.item() == pytest.approx(peak_signal_noise_ratio(a, b, data_range=255))


def test_constant_images_match_the_closed_forms():
    a, b = (
        torch.full((1, 1, 16, 16), 100, dtype=torch.uint8),
        torch.full((1, 1, 16, 16), 120).byte(),
    )
    c = (0.01 * 255) ** 2
    assert ssim(a, b).item() == pytest.approx((2 * 100 * 120 + c) / (100**2 + 120**2 + c), rel=1e-9)
    assert psnr(a, a + 1).item() == pytest.approx(48.1308, abs=1e-4)
    assert psnr(a, a).item() == torch.inf


def test_the_mean_psnr_over_images_is_never_below_the_pooled_one():
    x = images(2)
    y = torch.stack([noisy(x[0], 5), noisy(x[1], 60)])
    metric, other = PairScores(), PairScores()
    metric.update(y[:1], x[:1])
    other.update(y[1:], x[1:])
    metric.merge_state(other)
    scores = metric.compute()
    error = (x.double() - y.double()).square().mean()
    assert scores["psnr"].item() == pytest.approx(psnr(x, y).mean().item())
    assert scores["psnr_pooled"].item() == pytest.approx((10 * (255**2 / error).log10()).item())
    assert scores["psnr"] > scores["psnr_pooled"]
    assert scores["ssim"].item() == pytest.approx(ssim(x, y).mean().item())


def test_a_perceptual_distance_gets_pixels_in_minus_one_to_one():
    class Distance(torch.nn.Module):
        def forward(self, x, y):
            assert x.min() == -1
            assert y.max() == 1
            return (x - y).abs().flatten(1).amax(1)

    x, y = torch.zeros(4, 3, 8, 8, dtype=torch.uint8), torch.full((4, 3, 8, 8), 255).byte()
    metric = PairScores(lpips=Distance())
    metric.update(x, y)
    scores = metric.compute()
    assert scores["lpips"] == 2
    assert "ssim" not in scores  # 8 pixels are fewer than the window


def test_over_scales_constant_images_match_the_closed_form():
    a, b = (torch.full((1, 3, 170, 161), level, dtype=torch.uint8) for level in (100, 120))
    c = (0.01 * 255) ** 2
    luminance = (2 * 100 * 120 + c) / (100**2 + 120**2 + c)
    assert ms_ssim(a, b).item() == pytest.approx(luminance**0.1333, rel=1e-9)
    assert ms_ssim(a, a).item() == pytest.approx(1, rel=1e-12)


def test_over_scales_pictures_agree_with_torchmetrics_but_for_its_borders():
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 1, 12, 12, generator=generator)
    x = torch.nn.functional.interpolate(coarse, (256, 256), mode="bicubic").clamp(0, 1)
    x = (255 * x).byte()
    y = noisy(x, 60)
    theirs = multiscale_structural_similarity_index_measure(
        x.double(), y.double(), data_range=255.0, reduction="none", normalize="relu"
    )
    ours = ms_ssim(x, y)
    torch.testing.assert_close(ours, theirs.double(), rtol=0.01, atol=0)
    assert (ours < 0.95).all()
    metric = PairScores()
    metric.update(x, y)
    assert metric.compute()["ms_ssim"].item() == pytest.approx(ours.mean().item())


def test_invalid_pairs_are_refused_with_the_found_shapes():
    with pytest.raises(ValueError, match=r"11 pixels or more a side, got \(8, 9\)"):
        ssim(images(1, 9)[..., :8, :], images(1, 9)[..., :8, :])
    with pytest.raises(
        ValueError, match=r"MS-SSIM needs 161 pixels or more a side, got \(160, 170\)"
    ):
        ms_ssim(images(1, 170)[..., :160, :], images(1, 170)[..., :160, :])
    with pytest.raises(ValueError, match="no pairs"), pytest.warns(UserWarning, match="before"):
        PairScores().compute()


def test_bytes_converted_to_floats_and_back_are_unchanged():
    levels = torch.arange(256, dtype=torch.uint8)
    torch.testing.assert_close(to_uint8(from_uint8(levels)), levels)
    torch.testing.assert_close(to_uint8(from_uint8(levels).double()), levels)


@given(st.floats(-2, 2))
def test_rounding_is_to_the_nearest_level(x):
    level = to_uint8(torch.tensor(x, dtype=torch.float64)).item()
    exact = min(max((x + 1) * 127.5, 0), 255)
    assert abs(level - exact) <= 0.5 + 1e-9


def test_nan_pixels_are_refused():
    with pytest.raises(ValueError, match="1 of 3 pixels"):
        to_uint8(torch.tensor([0.0, torch.nan, 1.0]))


def test_frames_of_clips_count_as_images_and_flicker_is_told_from_a_constant_error():
    clip = torch.randint(20, 200, (2, 3, 4, 16, 16), dtype=torch.uint8)
    shaking = clip + torch.tensor([0, 10, 0, 10], dtype=torch.uint8).view(4, 1, 1)
    scores = {}
    for name, other in {"shaking": shaking, "brighter": clip + 10, "one": shaking[:1]}.items():
        metric = PairScores()
        metric.update(other, clip[: len(other)])
        scores[name] = metric.compute()
    assert scores["shaking"]["flicker"] == 10
    assert scores["brighter"]["flicker"] == 0
    assert scores["brighter"]["psnr"].item() == pytest.approx(20 * math.log10(25.5))
    frames = PairScores()
    frames.update(shaking[0].movedim(1, 0), clip[0].movedim(1, 0))
    assert "flicker" not in frames.compute()
    one = {name: value.item() for name, value in scores["one"].items() if name != "flicker"}
    assert one == pytest.approx({name: value.item() for name, value in frames.compute().items()})


def test_black_and_white_clips_have_the_scores_that_evaluators_of_videos_give():
    black = torch.zeros(1, 3, 2, 64, 64, dtype=torch.uint8)
    metric = PairScores()
    metric.update(black + 255, black)
    scores = metric.compute()
    assert scores["psnr"].item() == pytest.approx(0, abs=1e-9)
    assert scores["ssim"].item() == pytest.approx(9.999e-5, rel=1e-4)


@pytest.mark.skipif(cached("alexnet") is None, reason="AlexNet's weights are not here")
def test_black_and_white_clips_have_the_perceptual_distance_that_evaluators_of_videos_give():
    black = torch.zeros(1, 3, 2, 64, 64, dtype=torch.uint8)
    metric = PairScores(lpips=LPIPS("alex"))
    metric.update(black + 255, black)
    assert metric.compute()["lpips"].item() == pytest.approx(0.81401, abs=1e-4)
