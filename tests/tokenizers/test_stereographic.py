"""The plane of a sphere: there and back, lengths at the pole, and volumes everywhere."""

import math

import pytest
import torch
from torch.testing import assert_close

from ldm.spaces import Flat, Sphere
from ldm.tokenizers import Identity, Stereographic, Tokenizer


def points(dim: int, n: int = 50) -> torch.Tensor:
    return Sphere(dim).random(n, torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("dim", [1, 2, 5])
def test_it_leads_there_and_back(dim):
    tokenizer, x = Stereographic(dim), points(dim)
    latent = tokenizer.encode({"x": x}).latent
    assert tokenizer.space == Flat([dim])
    assert not tokenizer.learned
    assert_close(tokenizer.decode(latent)["x"], x)


@pytest.mark.parametrize("dim", [1, 2, 5])
def test_volumes_change_by_the_jacobian(dim):
    tokenizer, x = Stereographic(dim), points(dim, 8)
    space = Sphere(dim)
    axes = torch.eye(dim, dtype=torch.float64)
    frame = torch.stack([space.frame(x, axis.expand(8, dim)) for axis in axes], 1)

    def chart(x):
        return tokenizer.encoder(x[None])[0]

    jacobian = torch.vmap(torch.func.jacrev(chart))(x) @ frame.mT
    assert_close(tokenizer.log_volume_change(x), torch.linalg.det(jacobian).abs().log())


def test_the_uniform_law_is_cauchys_in_the_plane():
    # 1 / (4 pi) on the sphere is 1 / (4 pi (1 + |y|^2 / 4)^2) there.
    tokenizer, x = Stereographic(), points(2)
    y = tokenizer.encode({"x": x}).latent
    in_plane = -math.log(4 * math.pi) - 2 * (1 + y.square().sum(1) / 4).log()
    on_sphere = in_plane + tokenizer.log_volume_change(x)
    assert_close(on_sphere, Sphere(2).log_density(x))


def test_only_changes_of_coordinates_have_likelihoods_of_data():
    assert (Identity(Sphere(2)).log_volume_change(points(2)) == 0).all()
    other = Tokenizer(torch.nn.Identity(), Identity(Flat([2])).bottleneck, torch.nn.Identity())
    with pytest.raises(ValueError, match="choose another eval="):
        other.log_volume_change(points(1))
    with pytest.raises(ValueError, match="dimension of 1 or more, got 0"):
        Stereographic(0)
