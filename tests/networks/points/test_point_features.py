"""Sinusoids, angles and spherical harmonics against closed forms, quadrature and SciPy."""

import math

import numpy as np
import pytest
import torch
from scipy.special import sph_harm_y
from torch.testing import assert_close

from ldm.networks.points.point_features import (
    CircleAngles,
    FourierFeatures,
    RandomFourierFeatures,
    SinusoidalTime,
    SphericalHarmonics,
)


def sphere(theta: torch.Tensor, phi: torch.Tensor) -> torch.Tensor:
    x, y = theta.sin() * phi.cos(), theta.sin() * phi.sin()
    return torch.stack(torch.broadcast_tensors(x, y, theta.cos()), -1).reshape(-1, 3)


def scipy_harmonics(degree: int, theta: torch.Tensor, phi: torch.Tensor) -> torch.Tensor:
    """Real harmonics from SciPy's complex ones, without the Condon-Shortley phase."""
    real = []
    for n in range(degree + 1):
        for m in range(-n, n + 1):
            y = sph_harm_y(n, abs(m), theta.numpy(), phi.numpy()) * (-1) ** m * math.sqrt(2)
            real.append(y.imag if m < 0 else y.real if m > 0 else y.real / math.sqrt(2))
    return torch.from_numpy(np.stack(real, 1))


def test_fourier_features_are_sines_and_cosines_of_all_multiples_of_every_angle():
    x = torch.tensor([[0.3, -1.2]], dtype=torch.float64)
    angles = [k * a for a in (0.3, -1.2) for k in (1, 2, 3)]
    expected = [math.sin(a) for a in angles] + [math.cos(a) for a in angles]
    features = FourierFeatures(2, 3).double()
    assert_close(features(x), torch.tensor([expected]).double())
    assert_close(features(x + 2 * math.pi), features(x))


def test_random_frequencies_are_spaced_geometrically_from_lowest_to_highest():
    frequencies = RandomFourierFeatures(3, 41, lowest=0.5, highest=200.0).frequencies
    size = frequencies.norm(dim=1)
    assert_close(size[[0, 20, 40]], torch.tensor([0.5, 10.0, 200.0]))
    assert_close(size[1:] / size[:-1], torch.full((40,), 400 ** (1 / 40)))
    # The directions differ: 41 random ones span the space.
    assert torch.linalg.svdvals(frequencies / size[:, None]).min() > 2


def test_time_features_are_sinusoids_of_decreasing_frequency():
    t, features = torch.tensor([0.7]).double(), SinusoidalTime(6, scale=1000.0).double()
    angles = [700 * 10_000 ** -(i / 3) for i in range(3)]
    expected = [math.sin(a) for a in angles] + [math.cos(a) for a in angles]
    assert_close(features(t), torch.tensor([expected]).double(), atol=1e-4, rtol=0)
    with pytest.raises(ValueError, match="make features even, got 7"):
        SinusoidalTime(7)


def test_autocast_does_not_round_phases():
    t, features = torch.rand(64), SinusoidalTime()
    with torch.autocast("cpu", torch.bfloat16):
        got = features(t)
    assert torch.equal(got, features(t))


def test_angles_recover_those_of_the_pairs():
    angle = torch.rand(10, 4).double() * 2 * math.pi
    x = torch.stack([angle.cos(), angle.sin()], 2).flatten(1)
    assert_close(CircleAngles(4)(x), angle)
    harmonics = FourierFeatures(4, 5).double()
    assert_close(CircleAngles(4, harmonics)(x), harmonics(angle))


def test_features_of_angles_are_continuous_at_angle_zero():
    features = CircleAngles(1, FourierFeatures(1, 3).double())
    east = torch.tensor([[1.0, 0.0]]).double()
    north = torch.tensor([[0.0, 1.0]]).double()
    value, slope = torch.func.jvp(features, (east,), (north,))
    assert_close(value, torch.tensor([[0.0, 0, 0, 1, 1, 1]]).double())
    assert_close(slope, torch.tensor([[1.0, 2, 3, 0, 0, 0]]).double())
    step = features(east + 1e-6 * north) - features(east - 1e-6 * north)
    assert_close(step / 2e-6, slope, atol=1e-6, rtol=0)


def test_harmonics_agree_with_scipy_also_near_the_poles():
    theta = torch.cat([torch.tensor([0.0, 1e-3, 3.141]), torch.linspace(0.01, 3.13, 40)]).double()
    phi = torch.linspace(-3, 3, len(theta)).double()
    expected = scipy_harmonics(32, theta, phi)
    x = sphere(theta, phi)
    assert_close(SphericalHarmonics(32)(x), expected, atol=1e-12, rtol=1e-10)


def test_harmonics_in_single_precision_agree_with_double_precision():
    theta, phi = torch.linspace(1e-3, 3.141, 40).double(), torch.linspace(-3, 3, 40).double()
    x = sphere(theta, phi).float()
    got, expected = SphericalHarmonics(32)(x).double(), SphericalHarmonics(32)(x.double())
    assert_close(got, expected, atol=6e-5, rtol=0)  # about degree^2 / 2 units in the last place


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_harmonics_are_orthonormal(dtype):
    degree = 32
    nodes, weights = np.polynomial.legendre.leggauss(degree + 1)  # exact to degree 2 * 32 + 1
    phi = torch.arange(2 * degree + 1).double() * 2 * math.pi / (2 * degree + 1)
    y = SphericalHarmonics(degree)(
        sphere(torch.from_numpy(nodes).arccos()[:, None], phi).to(dtype)
    ).double()
    area = torch.from_numpy(weights).repeat_interleave(len(phi)) * 2 * math.pi / len(phi)
    gram = y.mT @ (area[:, None] * y)
    tolerance = 1e-12 if dtype == torch.float64 else 2e-5
    assert_close(gram, torch.eye(y.shape[1]).double(), atol=tolerance, rtol=0)


def test_harmonics_of_lower_degree_come_first():
    x = torch.nn.functional.normalize(torch.randn(5, 3).double(), dim=1)
    for degree in range(4):
        features = SphericalHarmonics(degree)
        assert features(x).shape[1] == features.out_features
        assert_close(features(x), SphericalHarmonics(5)(x)[:, : features.out_features])


def test_harmonics_are_differentiable_at_the_poles():
    pole = torch.tensor([0.0, 0.0, 1.0]).double()
    jacobian = torch.func.jacfwd(lambda x: SphericalHarmonics(8)(x[None])[0])(pole)
    assert jacobian.isfinite().all()
    # The harmonics of degree one are the coordinates y, z, x times a constant.
    expected = math.sqrt(3 / (4 * math.pi)) * torch.eye(3).double()[[1, 2, 0]]
    assert_close(jacobian[1:4], expected)
