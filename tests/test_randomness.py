"""Random numbers depend on seed, rank, progress and sample index only, not on earlier draws."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch.testing import assert_close

from ldm.randomness import fold, normal, sample_generators, step_generator, uniform

law = settings(max_examples=50, deadline=None)
draws = pytest.mark.parametrize("draw", [normal, uniform])


@law
@given(st.lists(st.integers(0, 2**31), min_size=1, max_size=5))
def test_fold_gives_seeds_that_torch_accepts(numbers):
    seed = fold(*numbers)
    assert 0 <= seed < 2**63
    assert fold(*numbers) == seed
    torch.Generator().manual_seed(seed)


def test_fold_gives_different_seeds_for_nearby_inputs():
    grid = [
        numbers for length in (1, 2, 3) for numbers in itertools.product(range(8), repeat=length)
    ]
    grid += [(2**32,), (2**32, 0), (0, 2**32)]
    assert len({fold(*numbers) for numbers in grid}) == len(grid)


def test_seeds_of_successive_steps_are_unrelated():
    first = torch.stack([normal((50,), step_generator(0, 0, samples)) for samples in range(50)])
    correlation = torch.corrcoef(first)[~torch.eye(50, dtype=torch.bool)]
    assert correlation.abs().max() < 0.65  # 4.5 standard errors for 50 numbers
    assert stats.kstest(first.flatten().numpy(), "norm").pvalue > 0.01


def test_negative_numbers_are_refused():
    with pytest.raises(ValueError, match="non-negative"):
        fold(-1)


def test_step_generators_depend_on_seed_rank_and_progress():
    def first(*where: int) -> float:
        return torch.rand((), generator=step_generator(*where)).item()

    assert first(1, 2, 3) == first(1, 2, 3)
    assert len({first(*where) for where in [(1, 2, 3), (0, 2, 3), (1, 0, 3), (1, 2, 0)]}) == 4


def test_no_two_samples_of_any_seeds_share_a_generator():
    first = {
        torch.rand((), generator=one, dtype=torch.float64).item()
        for seed in range(20)
        for one in sample_generators(seed, range(20))
    }
    assert len(first) == 400


@draws
@law
@given(
    sizes=st.lists(st.integers(1, 4), min_size=1, max_size=5),
    seed=st.integers(0, 2**31),
)
def test_samples_do_not_depend_on_how_they_are_batched(draw, sizes, seed):
    whole = draw((sum(sizes), 2, 3), sample_generators(seed, range(sum(sizes))))
    ends = list(itertools.accumulate(sizes))
    parts = [
        draw((size, 2, 3), sample_generators(seed, range(end - size, end)))
        for size, end in zip(sizes, ends, strict=True)
    ]
    assert torch.equal(torch.cat(parts), whole)


@draws
def test_repeated_draws_continue_each_generator(draw):
    generators, alone = sample_generators(0, range(3)), sample_generators(0, [1])
    for _ in range(3):
        assert torch.equal(draw((3, 5), generators)[1:2], draw((1, 5), alone))


@draws
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16], ids=str)
def test_one_generator_none_or_many_give_the_requested_shape_and_dtype(draw, dtype):
    for generator in (None, torch.Generator(), sample_generators(0, range(4))):
        x = draw((4, 2), generator, dtype=dtype)
        assert (x.shape, x.dtype) == ((4, 2), dtype)


@draws
def test_one_generator_gives_the_numbers_of_torch(draw):
    torch_draw = {normal: torch.randn, uniform: torch.rand}[draw]
    x = draw((4, 2), torch.Generator().manual_seed(7))
    assert_close(x, torch_draw(4, 2, generator=torch.Generator().manual_seed(7)))


@draws
def test_without_a_generator_the_global_torch_seed_is_used(draw):
    torch.manual_seed(3)
    first = draw((4,))
    torch.manual_seed(3)
    assert torch.equal(draw((4,)), first)


@draws
def test_a_wrong_number_of_generators_is_refused(draw):
    with pytest.raises(ValueError, match="3 samples need as many generators, got 2"):
        draw((3, 4), sample_generators(0, range(2)))


@draws
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_seed_gives_the_same_sample_on_every_device(draw):
    here = draw((2, 3), sample_generators(0, range(2)))
    there = draw((2, 3), sample_generators(0, range(2)), device="cuda")
    assert there.device.type == "cuda"
    assert torch.equal(there.cpu(), here)
