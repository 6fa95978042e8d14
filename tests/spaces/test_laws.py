"""Laws that every space obeys, for all points, in float64."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.func import jvp
from torch.testing import assert_close

from ldm.randomness import sample_generators
from ldm.spaces import (
    SPD,
    Flat,
    Hyperboloid,
    Lattice,
    PoincareBall,
    Power,
    Product,
    ProjectiveSpace,
    Rotations,
    Space,
    SpecialUnitary,
    Sphere,
    Torus,
)

SMOOTH = [
    Sphere(1),
    Sphere(2),
    Sphere(7),
    Flat([2, 3]),
    Product([Sphere(2), Flat([3])]),
    Product([Flat([2, 2]), Sphere(1), Power(Sphere(1), 2, [2])]),
    Power(Sphere(2), groups=4, grid=[2, 3]),
    Power(Flat([2, 2]), groups=2, grid=[3]),
    Power(Product([Sphere(2), Flat([2])]), groups=2, grid=[3]),
    # Within a few units of their origins, beyond which coordinates are too large for absolute
    # tolerances.
    Hyperboloid(3, scale=0.5),
    PoincareBall(2, scale=0.5),
    SPD(3, scale=0.5),
    Power(Product([Hyperboloid(2, scale=0.5), SPD(2, scale=0.5)]), groups=2),
    Torus(3),
    Rotations(),
    SpecialUnitary(2),
    SpecialUnitary(3),
    ProjectiveSpace(3),
    Power(Product([Rotations(), Torus(1)]), groups=2),
]
SPACES = [*SMOOTH, Lattice([2, 3], levels=5, lowest=-2), Power(Lattice([2], 3), 2, [2])]

WITH_HEAT_KERNEL = [space for space in SMOOTH if "SPD" not in repr(space)]

every = pytest.mark.parametrize("space", SPACES, ids=repr)
smooth = pytest.mark.parametrize("space", SMOOTH, ids=repr)
embedded = pytest.mark.parametrize(
    "space",
    [
        space
        for space in SPACES
        # Angles cover their torus; they do not lie in a space around it.
        if not any(name in repr(space) for name in ("Hyperboloid", "SPD", "Torus"))
    ],
    ids=repr,
)
seeds = st.integers(0, 2**31)
COUNT = 16  # of points an example, for the price of one
FEW = 4  # where an example has as many vectors at each
law = settings(max_examples=6, deadline=None)


def points(space: Space, seed: int, n: int = 3) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [space.random(COUNT, generator, dtype=torch.float64) for _ in range(n)]


def basis(space: Space, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The axes of the frames at points, one after the other, and each point as often."""
    xs = x.repeat_interleave(space.dim, 0)
    return xs, space.frame(xs, torch.eye(space.dim, dtype=x.dtype).repeat(len(x), 1))


def products(space: Space, x: torch.Tensor, u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """At each point, the matrix of inner products of two sets of vectors."""
    n, k = len(x), len(u) // len(x)
    rows, columns = u.repeat_interleave(k, 0), v.view(n, k, *space.shape).repeat_interleave(k, 0)
    columns = columns.reshape(-1, *space.shape)
    return space.inner(x.repeat_interleave(k * k, 0), rows, columns).view(n, k, k)


def ambient(space: Space, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed + 1)
    return torch.randn(COUNT, *space.shape, generator=generator, dtype=torch.float64)


def up_to(largest: float) -> torch.Tensor:
    """A number for each point, from none to the largest."""
    return largest * torch.linspace(0, 1, COUNT, dtype=torch.float64)


def rows(scale: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    return scale.view(-1, *[1] * (v.ndim - 1)) * v


def close(a: torch.Tensor, b: torch.Tensor, atol: float = 1e-11) -> None:
    assert_close(a, b, atol=atol, rtol=1e-11)


@every
@law
@given(seed=seeds)
def test_log_leads_from_one_point_to_another(space, seed):
    x, y, _ = points(space, seed)
    arrived = space.exp(x, space.log(x, y))
    # Not by coordinates: x and -x may be one point, and angles a turn apart.
    close(space.log(arrived, y), torch.zeros_like(y))


@smooth
@law
@given(seed=seeds, length=st.floats(0, 3.1))
def test_log_undoes_exp_within_the_injectivity_radius(space, seed, length):
    x, _, _ = points(space, seed)
    v = space.tangent(x, ambient(space, seed))
    if isinstance(space, ProjectiveSpace):
        length = length / 2
    v = rows(up_to(length) / space.inner(x, v, v).sqrt(), v)
    close(space.log(x, space.exp(x, v)), v)


@every
@law
@given(seed=seeds)
def test_distance_is_a_metric_and_the_length_of_log(space, seed):
    x, y, z = points(space, seed)
    log = space.log(x, y)
    close(space.distance(x, y), space.inner(x, log, log).sqrt())
    close(space.distance(x, y), space.distance(y, x))
    close(space.distance(x, x), torch.zeros(COUNT, dtype=torch.float64))
    assert (space.distance(x, z) <= space.distance(x, y) + space.distance(y, z) + 1e-12).all()


@smooth
@law
@given(seed=seeds)
def test_transport_is_an_isometry_that_keeps_the_geodesic(space, seed):
    x, y, _ = points(space, seed)
    u, v = (space.random_tangent(x, torch.Generator().manual_seed(seed + k)) for k in (1, 2))
    moved_u, moved_v = space.transport(x, y, u), space.transport(x, y, v)
    close(space.inner(y, moved_u, moved_v), space.inner(x, u, v), atol=1e-9)
    close(space.tangent(y, moved_u), moved_u, atol=1e-9)
    close(space.transport(x, y, space.log(x, y)), -space.log(y, x), atol=1e-9)
    close(space.transport(y, x, moved_u), u, atol=1e-9)


@every
@law
@given(seed=seeds)
def test_frames_are_orthonormal(space, seed):
    x = points(space, seed)[0][:FEW]
    xs, axes = basis(space, x)
    close(space.tangent(xs, axes), axes)
    close(products(space, x, axes, axes), torch.eye(space.dim, dtype=x.dtype).repeat(FEW, 1, 1))


@every
@law
@given(seed=seeds)
def test_points_pass_their_own_check(space, seed):
    space.check(points(space, seed)[0])
    with pytest.raises(ValueError, match="finite"):
        space.check(points(space, seed)[0] * torch.nan)


@smooth
@law
@given(seed=seeds, t=st.floats(0, 1))
def test_geodesics_run_at_constant_speed(space, seed, t):
    x, y, _ = points(space, seed)
    t = up_to(t)
    between = space.exp(x, rows(t, space.log(x, y)))
    close(space.distance(x, between), t * space.distance(x, y))
    close(space.distance(between, y), (1 - t) * space.distance(x, y))


@every
@law
@given(seed=seeds)
def test_tangent_is_an_orthogonal_projection(space, seed):
    x, _, _ = points(space, seed)
    u, v = ambient(space, seed), ambient(space, seed + 1)
    tangent_u, tangent_v = space.tangent(x, u), space.tangent(x, v)
    close(space.tangent(x, tangent_u), tangent_u)
    # Idempotent and symmetric: orthogonal.
    close(space.inner(x, tangent_u, v), space.inner(x, u, tangent_v))


@every
@law
@given(seed=seeds)
def test_logs_are_tangent(space, seed):
    x, y, _ = points(space, seed)
    log = space.log(x, y)
    close(space.tangent(x, log), log)


@every
@law
@given(seed=seeds)
def test_project_is_idempotent_and_random_points_and_steps_are_fixed_by_it(space, seed):
    x, _, _ = points(space, seed)
    projected = space.project(ambient(space, seed))
    close(space.project(projected), projected)
    close(space.project(x), x)
    step = space.exp(x, space.tangent(x, ambient(space, seed)))
    close(space.project(step), step)


@embedded
@law
@given(seed=seeds)
def test_project_finds_the_nearest_point(space, seed):
    x, _, _ = points(space, seed)
    far = ambient(space, seed)
    nearest = (space.project(far) - far).flatten(1).norm(dim=1)
    assert (nearest <= (x - far).flatten(1).norm(dim=1) + 1e-12).all()


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


@smooth
def test_gradients_are_finite_where_two_points_meet(space):
    x, _, _ = points(space, 0)
    y = x.clone().requires_grad_()
    (space.log(x, y).sum() + space.distance(x, y).sum()).backward()
    assert y.grad.isfinite().all()
    v = torch.zeros_like(x, requires_grad=True)
    space.exp(x, v).sum().backward()
    assert v.grad.isfinite().all()


@smooth
@law
@given(seed=seeds)
def test_the_differential_of_exp_at_zero_is_the_identity(space, seed):
    x, _, _ = points(space, seed)
    v = space.tangent(x, ambient(space, seed))
    close(jvp(lambda v: space.exp(x, v), (torch.zeros_like(v),), (v,))[1], v)


@smooth
@law
@given(seed=seeds)
def test_the_differential_of_log_where_two_points_meet_is_the_identity(space, seed):
    x, _, _ = points(space, seed)
    v = space.random_tangent(x, torch.Generator().manual_seed(seed))
    close(jvp(lambda y: space.log(x, y), (x,), (v,))[1], v)
    # Of the velocity to a fixed point at that point: minus the identity.
    close(space.tangent(x, jvp(lambda y: space.log(y, x), (x,), (v,))[1]), -v)


@smooth
@law
@given(seed=seeds)
def test_gradients_stand_for_derivatives(space, seed):
    x, _, _ = points(space, seed)
    euclidean = ambient(space, seed)
    v = space.tangent(x, ambient(space, seed + 1))
    gradient = space.gradient(x, euclidean)
    close(space.tangent(x, gradient), gradient)
    close(space.inner(x, gradient, v), (euclidean * v).flatten(1).sum(1))


@smooth
@law
@given(seed=seeds)
def test_the_jacobian_of_exp_is_its_determinant_between_frames(space, seed):
    x = points(space, seed)[0][:FEW]
    v = space.random_tangent(x, torch.Generator().manual_seed(seed))
    xs, axes = basis(space, x)
    vs = v.repeat_interleave(space.dim, 0)
    _, images = jvp(lambda v: space.exp(xs, v), (vs,), (axes,))
    y = space.exp(x, v)
    matrix = products(space, y, basis(space, y)[1], images)
    close(space.log_exp_jacobian(x, v), torch.linalg.slogdet(matrix)[1], atol=1e-9)


charts = [space for space in SMOOTH if space.shape == (space.dim,)]


@pytest.mark.parametrize("space", charts, ids=repr)
@law
@given(seed=seeds)
def test_the_volume_element_is_that_of_the_metric_in_coordinates(space, seed):
    x = points(space, seed)[0][:FEW]
    axes = torch.eye(space.dim, dtype=x.dtype).repeat(FEW, 1)
    metric = products(space, x, axes, axes)
    close(space.log_volume_element(x), torch.linalg.slogdet(metric)[1] / 2, atol=1e-10)


def test_spaces_are_told_apart_by_their_numbers():
    assert len({repr(space) for space in SPACES}) == len(SPACES)
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
