"""The heat kernel of the torus against that of a product of circles."""

import torch
from torch.testing import assert_close

from ldm.randomness import sample_generators
from ldm.spaces import Power, Sphere, Torus


def test_the_kernel_equals_that_of_the_product_of_circles():
    generator = torch.Generator().manual_seed(0)
    x, origin = (Torus(3).random(50, generator, dtype=torch.float64) for _ in range(2))
    s = torch.logspace(-3, 3, 50, dtype=torch.float64)
    pairs = [torch.stack([a.cos(), a.sin()], -1).flatten(1) for a in (x, origin)]
    kernel, circles = Torus(3).heat_kernel, Power(Sphere(1), 3).heat_kernel
    expected = circles.log_density(*pairs, s)
    assert_close(kernel.log_density(x, origin, s), expected, atol=1e-9, rtol=1e-9)
    quarter = torch.stack([-x.sin(), x.cos()], -1)
    slope = (circles.score(*pairs, s).view(50, 3, 2) * quarter).sum(-1)
    assert_close(kernel.score(x, origin, s), slope, atol=1e-9, rtol=1e-9)


def test_samples_have_the_variance_and_lie_in_0_to_2_pi():
    s, origin = torch.tensor([0.01, 0.5, 3.0, 1e9]), Torus(2).random(4)
    n = 20_000
    x = Torus(2).heat_kernel.sample(
        origin.repeat_interleave(n, 0), s.repeat_interleave(n), torch.Generator().manual_seed(0)
    )
    Torus(2).check(x)
    assert (x >= 0).all()
    cosines = (x.view(4, n, 2) - origin[:, None]).cos().mean(1)
    expected = (-s / 2).exp()[:, None].expand(4, 2)
    assert_close(cosines, expected, atol=4 / n**0.5, rtol=0)


def test_samples_with_own_generators_do_not_depend_on_the_batch():
    origin, s = torch.zeros(3, 2), torch.tensor([0.1, 1.0, 2.0])
    together = Torus(2).heat_kernel.sample(origin, s, sample_generators(0, range(3)))
    alone = Torus(2).heat_kernel.sample(origin[1:2], s[1:2], sample_generators(0, [1]))
    assert torch.equal(together[1:2], alone)
