"""Normalisation, what is measured and what is refused, on spaces with and without a scale."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from ldm.bottlenecks import Bottleneck, Encoded, VectorQuantizer
from ldm.randomness import normal, sample_generators
from ldm.spaces import Categorical, Flat, Lattice, PointSet, Space
from ldm.tokenizers import Identity, Stacked, Tokenizer

WIDTH = 0.5  # of the posterior
GRID = Flat([3, 4, 4])


class Noisy(Bottleneck):
    """A posterior of fixed width around the features; what it stores is the features."""

    def __init__(self, space: Space = GRID, width: float = WIDTH) -> None:
        super().__init__()
        self.space, self.width, self.in_channels = space, width, space.shape[0]

    def forward(self, h, generator=None):
        latent = self.latent(h, generator)
        return Encoded(latent, h, None, {"kl": h.square().mean()}, {})

    def latent(self, raw, generator=None):
        return raw + self.width * normal(raw.shape, generator, raw.device, raw.dtype)

    def mode(self, raw):
        return raw

    def decodable(self, latent):
        return latent.clamp(-100, 100)


class Halved(nn.Module):
    def forward(self, x):
        return x / 2


def tokenizer(space: Space = GRID, width: float = WIDTH) -> Tokenizer:
    return Tokenizer(nn.Identity(), Noisy(space, width), Halved())


def encodings(*raws: torch.Tensor) -> list[Encoded]:
    return [Encoded(raw, raw, None, {}, {}) for raw in raws]


def generator():
    return torch.Generator().manual_seed(0)


def raws(n: int = 512) -> torch.Tensor:
    """Raw latents of another mean and deviation in each channel."""
    unit = torch.randn(n, *GRID.shape, generator=torch.Generator().manual_seed(1))
    return torch.tensor([-7.0, 0.0, 50.0]).view(3, 1, 1) + unit * torch.tensor(
        [0.01, 1.0, 30.0]
    ).view(3, 1, 1)


def test_measured_latents_have_mean_zero_and_deviation_one_in_every_channel():
    model = tokenizer()
    model.measure(encodings(*raws().split(100)), generator())
    latent = model.normalize(raws(), torch.Generator().manual_seed(2)).transpose(0, 1).flatten(1)
    # 8192 numbers a channel, in which the posterior's noise is fresh: four standard errors.
    torch.testing.assert_close(latent.mean(1), torch.zeros(3), atol=4 * 2**0.5 / 90.5, rtol=0)
    torch.testing.assert_close(latent.std(1), torch.ones(3), atol=4 / 90.5, rtol=0)


def test_measured_numbers_are_those_of_all_latents_however_they_are_cut():
    model = tokenizer(width=0.0)
    model.measure(encodings(*raws().split(100)))
    channels = raws().double().transpose(0, 1).flatten(1)
    torch.testing.assert_close(model.mean.double(), channels.mean(1), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(
        model.std.double(), channels.std(1, correction=0), rtol=1e-6, atol=1e-6
    )


@given(
    mean=st.lists(st.floats(-10, 10), min_size=3, max_size=3),
    std=st.lists(st.floats(0.01, 100), min_size=3, max_size=3),
)
def test_denormalize_undoes_normalize(mean, std):
    model = tokenizer(width=0.0)
    model.mean.copy_(torch.tensor(mean))
    model.std.copy_(torch.tensor(std))
    raw = raws(2).double()
    torch.testing.assert_close(model.denormalize(model.normalize(raw)), raw)
    torch.testing.assert_close(model.normalize(model.denormalize(raw)), raw)


def test_posterior_noise_is_fresh_at_every_draw_and_a_seeds_own():
    model = tokenizer()
    first, second = (model.normalize(raws(4), generator()) for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.isclose(first, model.normalize(raws(4), torch.Generator())).any()
    own = model.normalize(raws(4), sample_generators(0, range(4)))
    torch.testing.assert_close(own[2:], model.normalize(raws(4)[2:], sample_generators(0, [2, 3])))


def test_a_space_without_a_scale_keeps_its_points_where_they_are():
    lattice = Lattice([3, 4, 4], levels=5, lowest=-2)
    model = tokenizer(lattice, width=0.0)
    points = lattice.random(64, generator())
    model.measure(encodings(points))
    assert torch.equal(model.normalize(points), points)
    assert torch.equal(model.denormalize(points), points)


def test_mean_and_deviation_travel_with_the_weights():
    model, other = tokenizer(), tokenizer()
    model.measure(encodings(raws()), generator())
    assert {"mean", "std"} <= set(model.state_dict())
    other.load_state_dict(model.state_dict())
    torch.testing.assert_close(other.denormalize(raws(2)), model.denormalize(raws(2)))


def test_latents_of_other_axes_are_normalised_by_channel_too():
    sequence = Tokenizer(nn.Identity(), Noisy(Flat([2, 7]), 0.0), nn.Identity())
    sequence.mean.copy_(torch.tensor([1.0, 2.0]))
    assert sequence.normalize(torch.zeros(1, 2, 7))[0, :, 0].tolist() == [-1, -2]


def test_measuring_leaves_no_graph_behind():
    model = tokenizer()
    model.measure(encodings(raws().requires_grad_()), generator())
    assert not model.mean.requires_grad


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_latents_that_are_not_finite_are_refused(value):
    broken = raws()
    broken[3, 1, 2, 2] = value
    with pytest.raises(ValueError, match=r"latents cannot be normalised.*nan"):
        tokenizer().measure(encodings(*broken.split(100)))


@pytest.mark.parametrize("constant", [0.0, 0.1, -1234.5])
@pytest.mark.parametrize("rounding", [False, True])
def test_a_channel_that_never_varies_but_for_rounding_is_refused(constant, rounding):
    dead = raws()
    dead[:, 1] = constant
    if rounding:
        dead[::2, 1] *= 1 + 2**-23
    model = tokenizer(width=0.0)
    with pytest.raises(ValueError, match="latents cannot be normalised"):
        model.measure(encodings(*dead.split(100)))
    assert model.std.tolist() == [1, 1, 1]


def test_a_channel_that_never_varies_is_no_fault_where_nothing_is_normalised():
    lattice = Lattice([3, 4, 4], levels=5, lowest=-2)
    model, points = tokenizer(lattice, width=0.0), lattice.random(9, generator())
    points[:, 1] = 2
    model.measure(encodings(points))
    assert (model.mean.tolist(), model.std.tolist()) == ([0] * 3, [1] * 3)
    points[0, 0, 0, 0] = torch.nan
    with pytest.raises(ValueError, match="latents cannot be normalised"):
        model.measure(encodings(points))


def test_a_tokenizer_with_weights_is_measured_only_once_it_was():
    weights = Tokenizer(nn.Conv2d(3, 3, 1), Noisy(GRID, 0.0), nn.Conv2d(3, 3, 1))
    both = Stacked(tokenizer(), weights)
    assert not weights.measured
    assert not both.measured
    weights.measure(encodings(raws()))
    assert weights.measured
    assert both.measured
    assert tokenizer().measured  # without weights, points are their own latents


def test_an_empty_measurement_is_refused():
    with pytest.raises(ValueError, match="no latents to measure"):
        tokenizer().measure([])


def test_reconstruction_is_the_decoded_mode_and_forward_a_draw():
    model, x = tokenizer(), raws(2)
    batch, encoded = model.reconstruct({"x": x})
    assert torch.equal(batch["x"], x.clamp(-100, 100) / 2)
    assert torch.equal(encoded.raw, x)
    drawn, encoded = model({"x": x}, generator())
    assert torch.equal(drawn["x"], encoded.latent / 2)
    assert (encoded.latent - x).std().item() == pytest.approx(WIDTH, rel=4 / (2 * x.numel()) ** 0.5)
    assert list(encoded.losses) == ["kl"]


def test_the_decoder_reads_what_the_bottleneck_calls_decodable():
    decoded = tokenizer().decode(torch.full((1, 3, 4, 4), 1e6))
    assert torch.equal(decoded["x"], torch.full((1, 3, 4, 4), 50.0))


def test_it_builds_on_meta_with_a_mean_for_each_channel():
    with torch.device("meta"):
        model = tokenizer()
    assert model.mean.is_meta
    assert model.mean.shape == model.std.shape == (3,)
    assert model.space == GRID


def quantizer(latents: str) -> Tokenizer:
    torch.manual_seed(0)
    bottleneck = VectorQuantizer([3, 4, 4], codes=8)
    return Tokenizer(nn.Identity(), bottleneck, Halved(), latents)


def test_a_prior_may_learn_a_quantisers_codes_or_their_vectors():
    x, vectors, codes = {"x": raws(5)}, quantizer("vectors"), quantizer("codes")
    encoded = codes.encode(x)
    assert torch.equal(encoded.raw, vectors.encode(x).raw)
    assert (vectors.space, codes.space) == (GRID, Categorical([4, 4, 1], 8))
    codes.space.check(encoded.raw)
    assert torch.equal(codes.normalize(encoded.raw), encoded.codes)
    again = codes.decode(codes.denormalize(codes.normalize(encoded.raw)))["x"]
    assert torch.equal(again, vectors.decode(vectors.bottleneck.latent(encoded.raw))["x"])
    assert torch.equal(again, codes.reconstruct(x)[0]["x"])


def test_codes_of_a_bottleneck_without_any_are_refused():
    with pytest.raises(ValueError, match="a Noisy has no codes for a prior to learn"):
        Tokenizer(nn.Identity(), Noisy(), Halved(), "codes")


class Masked(nn.Module):
    def forward(self, x, mask):
        return x * mask[:, None, :, None]


def test_context_is_read_by_encoder_and_decoder_and_travels_with_the_latents():
    model = Tokenizer(Masked(), Noisy(width=0.0), Masked())
    mask = torch.tensor([[True, True, False, False], [True, False, False, True]])
    batch = {"x": raws(2), "mask": mask, "label": torch.arange(2)}
    encoded = model.encode(batch)
    assert encoded.context.keys() == {"mask"}
    assert (encoded.raw[:, :, ~mask[0]][0] == 0).all()
    reconstruction, _ = model(batch)
    assert torch.equal(reconstruction["mask"], mask)
    assert torch.equal(reconstruction["x"], batch["x"] * mask[:, None, :, None])
    decoded = model.decode(torch.ones(2, 3, 4, 4), encoded.context)
    assert torch.equal(decoded["x"][:, 0, :, 0], mask.float())


def test_a_stacked_tokenizer_goes_through_both_and_back():
    first, second = tokenizer(width=0.0), tokenizer(width=0.0)
    first.measure(encodings(raws()))
    both, x = Stacked(first, second), raws(3)
    middle = first.normalize(first.encode({"x": x}).raw)
    encoded = both.encode({"x": x})
    assert torch.equal(encoded.raw, second.encode({"x": middle}).raw)
    assert both.space == second.space
    expected = first.decode(first.denormalize(second.decode(encoded.latent)["x"]))["x"]
    assert torch.equal(both.decode(encoded.latent)["x"], expected)
    assert torch.equal(both.reconstruct({"x": x})[0]["x"], expected)


def test_a_scale_that_is_given_takes_the_place_of_what_would_be_measured():
    one = Tokenizer(nn.Identity(), Noisy(), nn.Identity(), scale=2)
    one.measure(encodings(raws()), generator())
    assert one.measured
    assert one.std.tolist() == [2, 2, 2]
    molecules = Identity(PointSet(4, 3, 2), scale=[1, 1, 1, 4, 10])
    mask = torch.tensor([[True, True, False, False]])
    x = molecules.space.on({"mask": mask}).random(1, generator())
    found = molecules.normalize(x, None, {"mask": mask})
    torch.testing.assert_close(found * torch.tensor([1.0, 1, 1, 4, 10]), x)
    torch.testing.assert_close(molecules.denormalize(found, {"mask": mask}), x)
    with pytest.raises(ValueError, match="does not only change coordinates"):
        molecules.log_volume_change(x)


@pytest.mark.parametrize("scale", [0, [1.0, 2.0], [1.0, 2.0, -1.0]])
def test_a_scale_that_is_none_is_refused(scale):
    with pytest.raises(ValueError, match="one number above 0, or one for each of 3 features"):
        Tokenizer(nn.Identity(), Noisy(), nn.Identity(), scale=scale)


def test_the_bottleneck_is_bound_to_the_context_of_the_samples():
    space = PointSet(4, 3, 2)
    one = Tokenizer(Kept(), Noisy(space), Kept())
    mask = torch.tensor([[True, True, False, True], [True, False, False, False]])
    batch = {"x": space.on({"mask": mask}).random(2, generator()), "mask": mask}
    found = []
    bind = one.bottleneck.on

    def on(context):
        found.append(context["mask"])
        return bind(context)

    one.bottleneck.on = on
    encoded = one.encode(batch, generator())
    one.measure([encoded], generator())
    latent = one.normalize(encoded.raw, generator(), encoded.context)
    one.decode(one.denormalize(latent, encoded.context), encoded.context)
    one.reconstruct(batch)
    assert len(found) == 6
    assert all(torch.equal(each, mask) for each in found)
    assert one.bottleneck.space is space


class Kept(nn.Module):
    def forward(self, x, mask):
        return x
