"""Laws of tensors that every space obeys: shapes, dtypes, batches, generators, NaN."""

import pytest
import torch
from every_space import (
    SMOOTH,
    SPACES,
    WITH_HEAT_KERNEL,
    close,
    every,
    points,
)

from ldm.randomness import sample_generators
from ldm.spaces import (
    Lattice,
    Power,
    Sphere,
)


@every
def test_a_sample_of_its_own_generator_does_not_depend_on_the_batch(space):
    together = space.random(5, sample_generators(0, range(5)))
    alone = [space.random(1, sample_generators(0, [index])) for index in range(5)]
    assert torch.equal(together, torch.cat(alone))
    assert len(torch.unique(together, dim=0)) > 1


@every
def test_a_wrong_count_of_generators_is_refused(space):
    with pytest.raises(ValueError, match="3 samples need as many generators, got 2"):
        space.random(3, sample_generators(0, range(2)))


@every
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16], ids=str)
def test_laws_keep_shape_and_dtype(space, dtype):
    x, y = space.random(2, dtype=dtype), space.random(2, dtype=dtype)
    for z in (x, space.project(x), space.log(x, y), space.exp(x, y), space.tangent(x, y)):
        assert (z.shape, z.dtype) == ((2, *space.shape), dtype)
    for scalar in (space.distance(x, y), space.log_density(x)):
        assert (scalar.shape, scalar.dtype) == ((2,), dtype)


@every
def test_no_points_are_points_too(space):
    x = space.random(0, dtype=torch.float64)
    space.check(x)
    points = [x, space.random(0, [], dtype=torch.float64), space.project(x), space.tangent(x, x)]
    points += [space.exp(x, x), space.log(x, x), space.transport(x, x, x), space.gradient(x, x)]
    points += [space.frame(x, x.new_zeros(0, space.dim)), space.random_tangent(x)]
    numbers = [space.inner(x, x, x), space.distance(x, x), space.log_density(x)]
    numbers += [space.log_volume_element(x)]
    if space in SMOOTH:
        numbers += [space.log_exp_jacobian(x, x)]
    if space in WITH_HEAT_KERNEL:
        kernel, s = space.heat_kernel, x.new_zeros(0)
        points += [kernel.sample(x, s), kernel.sample(x, s, []), kernel.score(x, x, s)]
        numbers += [kernel.log_density(x, x, s)]
    for z in points:
        assert (z.shape, z.dtype) == ((0, *space.shape), torch.float64)
    for scalar in numbers:
        assert (scalar.shape, scalar.dtype) == ((0,), torch.float64)
    assert space.embed(x).shape == (0, *space.embed(space.random(1)).shape[1:])


@pytest.mark.parametrize(
    "space",
    # Zero is refused on unitary groups; on S^7 the map of draws takes long to make.
    [s for s in WITH_HEAT_KERNEL if not any(name in repr(s) for name in ("Unitary", "Sphere(7)"))],
    ids=repr,
)
def test_no_variance_moves_nothing_and_no_number_is_not_hidden(space):
    origin = space.random(3, torch.Generator().manual_seed(0), dtype=torch.float64)
    s = torch.tensor([0.0, 0.0, torch.nan], dtype=torch.float64)
    x = space.heat_kernel.sample(origin, s, torch.Generator().manual_seed(1))
    close(space.distance(x[:2], origin[:2]), torch.zeros(2, dtype=torch.float64))
    assert x[2].isnan().any()


@every
def test_autocast_takes_no_digits_away(space):
    x, y = (z.float() for z in points(space, 0, 2))

    def laws() -> list[torch.Tensor]:
        v = space.random_tangent(x, torch.Generator().manual_seed(0))
        log = space.log(x, y)
        moved = [space.project(x + 0.1 * y), space.tangent(x, y), space.exp(x, v), log]
        return [*moved, space.transport(x, y, v), space.inner(x, v, log), space.distance(x, y)]

    exact = laws()
    with torch.autocast("cpu", torch.bfloat16):
        for rounded, full in zip(laws(), exact, strict=True):
            assert torch.equal(rounded, full)


@every
def test_laws_need_no_data_to_be_traced(space):
    with torch.device("meta"):
        x, y = space.random(2), space.random(2)
        assert space.exp(x, space.log(x, space.project(y))).shape == x.shape
        assert space.log_density(x).shape == space.distance(x, y).shape


def test_spaces_are_told_apart_by_their_numbers():
    whole = [space for space in SPACES if getattr(space, "mask", None) is None]
    assert len({repr(space) for space in whole}) == len(whole)
    assert Power(Sphere(1), 2, [3]) == Power(Sphere(1), 2, (3,))
    assert Power(Sphere(1), 2, [3]) != Power(Sphere(1), 3, [2])
    assert Lattice([2], 3) != Lattice([2], 3, lowest=1)
    assert len({Sphere(2), Sphere(2), Sphere(3)}) == 2


@every
def test_spread_points_are_always_the_same_and_lie_in_the_space(space):
    torch.manual_seed(1)
    first = space.spread(5)
    torch.manual_seed(2)
    assert torch.equal(space.spread(5), first)
    space.check(first)
