"""Laws of grouped spherical quantisation, in float64 where it sharpens."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import normalize

from ldm.bottlenecks import GroupedSphericalQuantizer, VectorQuantizer
from ldm.spaces import Flat, Power, Sphere


def quantizer(channels: int = 12, groups: int = 3, codes: int = 50, **options):
    torch.manual_seed(0)
    shape = [channels, 4, 4]
    return GroupedSphericalQuantizer(shape, groups, codes, **options).double()


def normal(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def groups_of(h: torch.Tensor, groups: int) -> torch.Tensor:
    """`(b, g d, h, w)` to `(b h w, g, d)`."""
    return h.movedim(1, -1).reshape(-1, groups, h.shape[1] // groups)


@pytest.mark.parametrize(
    ("channels", "groups", "rule"), [(12, 3, "l2"), (6, 2, "l2"), (6, 3, "none"), (6, 6, "none")]
)
def test_normalises_groups_of_more_than_two_channels(channels, groups, rule):
    assert quantizer(channels, groups).normalize == rule


@pytest.mark.parametrize("normalize", ["l2", "none"])
def test_starts_on_the_unit_sphere(normalize):
    lengths = quantizer(normalize=normalize).codebook.norm(dim=1)
    torch.testing.assert_close(lengths, torch.ones_like(lengths), rtol=0, atol=1e-6)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32), st.floats(-6, 6))
def test_ignores_the_length_of_each_group(seed, exponent):
    bottleneck, h = quantizer(), normal(2, 12, 4, 4, seed=seed)
    lengths = 10**exponent * (0.1 + normal(2, 3, 1, 4, 4, seed=seed + 1).abs())
    scaled = (h.view(2, 3, 4, 4, 4) * lengths).view_as(h)
    plain, other = bottleneck(h), bottleneck(scaled)
    assert torch.equal(plain.codes, other.codes)
    assert torch.equal(plain.latent, other.latent)
    torch.testing.assert_close(plain.losses, other.losses)


@settings(deadline=None, max_examples=20)
@given(st.permutations(range(3)), st.sampled_from(["l2", "none", "clip"]))
def test_permuted_groups_have_permuted_codes(order, normalize):
    bottleneck, h = quantizer(normalize=normalize), normal(2, 12, 4, 4)
    permuted = h.view(2, 3, 4, 4, 4)[:, order].reshape_as(h)
    assert torch.equal(bottleneck(permuted).codes, bottleneck(h).codes[..., order])


def test_codes_are_those_of_largest_cosine_and_raw_rows_are_decoded():
    bottleneck, h = quantizer(), normal(2, 12, 4, 4)
    with torch.no_grad():
        bottleneck.codebook *= 0.5 + torch.rand(50, 1).double()  # lengths as training leaves them
    encoded = bottleneck(h)
    cosines = normalize(groups_of(h, 3), dim=-1) @ normalize(bottleneck.codebook, dim=1).T
    codes = cosines.argmax(-1)
    assert torch.equal(encoded.codes, codes.view(2, 4, 4, 3))
    assert torch.equal(groups_of(encoded.latent, 3), bottleneck.codebook[codes])
    assert torch.equal(bottleneck.codes_to_latent(encoded.raw), encoded.latent)


def test_loss_with_unit_rows_is_a_function_of_the_angles():
    bottleneck, h = quantizer(), normal(2, 12, 4, 4)
    with torch.no_grad():
        bottleneck.codebook.copy_(normalize(bottleneck.codebook))  # unit in float64, too
    encoded = bottleneck(h)
    u, q = normalize(groups_of(h, 3), dim=-1), groups_of(encoded.latent, 3)
    squared = 2 - 2 * (u * q).sum(-1)
    torch.testing.assert_close((u - q).square().sum(-1), squared)
    torch.testing.assert_close(encoded.losses["codebook"], 1.25 * squared.mean() / 4)


def test_gradient_goes_through_the_normalisation():
    bottleneck, h = quantizer(), normal(2, 12, 4, 4).requires_grad_()
    w = normal(2, 12, 4, 4, seed=2)
    (bottleneck(h).latent * w).sum().backward()
    x, w, gradient = (groups_of(t, 3) for t in (h.detach(), w, h.grad))
    length = x.norm(dim=-1, keepdim=True)
    u = x / length
    torch.testing.assert_close((gradient * x).sum(-1), torch.zeros(32, 3).double())
    torch.testing.assert_close(gradient, (w - (u * w).sum(-1, keepdim=True) * u) / length)
    assert bottleneck.codebook.grad is None


def test_codebook_moves_by_its_own_term_alone():
    bottleneck, h = quantizer(), normal(2, 12, 4, 4)
    encoded = bottleneck(h)
    encoded.losses["codebook"].backward()
    codes = encoded.codes.flatten()
    u = normalize(groups_of(h, 3), dim=-1).flatten(0, 1)
    apart = bottleneck.codebook.detach()[codes] - u
    expected = 2 / h.numel() * torch.zeros(50, 4).double().index_add(0, codes, apart)
    torch.testing.assert_close(bottleneck.codebook.grad, expected)


@pytest.mark.parametrize("normalize", ["l2", "none"])
def test_a_row_is_its_own_code_without_loss(normalize):
    bottleneck = quantizer(normalize=normalize)
    codes = torch.randint(50, (2, 4, 4, 3))
    rows = bottleneck.codes_to_latent(codes).detach()
    encoded = bottleneck(7 * rows if normalize == "l2" else rows)
    assert torch.equal(encoded.codes, codes)
    assert encoded.losses["codebook"] < 1e-14


def test_one_group_left_as_it_is_equals_the_vector_quantizer_bit_for_bit():
    torch.manual_seed(0)
    vector = VectorQuantizer([4, 4, 4], codes=50)
    grouped = GroupedSphericalQuantizer([4, 4, 4], groups=1, codes=50, normalize="none")
    grouped.load_state_dict(vector.state_dict())
    h = torch.randn(2, 4, 4, 4) / 50
    gradients = []
    for bottleneck in (vector, grouped):
        x = h.clone().requires_grad_()
        encoded = bottleneck(x)
        (encoded.latent.square().sum() + encoded.losses["codebook"]).backward()
        outputs = encoded.latent, encoded.codes, encoded.losses["codebook"]
        gradients.append((*outputs, x.grad, bottleneck.codebook.grad))
    assert all(torch.equal(one, other) for one, other in zip(*gradients, strict=True))


def test_single_channels_on_the_sphere_keep_only_their_sign():
    bottleneck, h = quantizer(4, 4, normalize="l2"), normal(2, 4, 4, 4)
    assert torch.equal(bottleneck(h).latent.sign(), h.sign())
    assert torch.equal(bottleneck(h).codes, bottleneck(1e3 * h).codes)


def test_clipped_channels_stay_within_one_and_stop_learning_outside():
    bottleneck = quantizer(4, 4, codes=4000, normalize="clip")
    h = (3 * normal(2, 4, 4, 4)).requires_grad_()
    encoded = bottleneck(h)
    encoded.latent.sum().backward()
    assert encoded.latent.abs().max() <= 1
    torch.testing.assert_close(encoded.latent, h.clamp(-1, 1), rtol=0, atol=0.01)
    assert torch.equal(h.grad != 0, h.abs() <= 1)


@pytest.mark.parametrize("flat", [False, True])
def test_priors_learn_points_of_the_space_and_the_decoder_reads_raw_rows(flat):
    bottleneck = quantizer(flat=flat)
    with torch.no_grad():
        bottleneck.codebook *= 0.5 + torch.rand(50, 1).double()
    codes = torch.randint(50, (2, 4, 4, 3))
    latent = bottleneck.latent(codes)
    torch.testing.assert_close(bottleneck.space.project(latent), latent)
    assert torch.equal(bottleneck.decodable(latent), bottleneck.codes_to_latent(codes))
    assert torch.equal(latent, bottleneck.codes_to_latent(codes)) == flat


def test_declares_the_space_of_its_latents():
    assert quantizer().space == Power(Sphere(3), groups=3, grid=[4, 4])
    assert quantizer(flat=True).space == quantizer(normalize="none").space == Flat([12, 4, 4])
    assert quantizer(4, 4, normalize="l2").space == Flat([4, 4, 4])


@pytest.mark.parametrize(
    ("channels", "groups", "side"), [(8, 1, 32), (16, 8, 16)], ids=["f8-d8", "f16-d16-g8"]
)
def test_published_shapes(channels, groups, side):
    bottleneck = GroupedSphericalQuantizer([channels, side, side], groups, codes=64)
    encoded = bottleneck(torch.randn(1, channels, side, side))
    assert encoded.latent.shape == (1, channels, side, side)
    assert encoded.codes.shape == (1, side, side, groups)
    assert encoded.codes.dtype == torch.int64


def test_bad_numbers_are_refused_with_what_was_found():
    with pytest.raises(ValueError, match="5 groups of 12"):
        quantizer(groups=5)
    with pytest.raises(ValueError, match="0 groups of 12"):
        quantizer(groups=0)
    with pytest.raises(ValueError, match="reads 12 channels, got features of 8"):
        quantizer()(torch.zeros(1, 8, 4, 4))
    with pytest.raises(ValueError, match="\"clip\" or None, got 'l3'"):
        quantizer(normalize="l3")
