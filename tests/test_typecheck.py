"""The checker that looks at every signature while tests run."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import torch
from jaxtyping import Float, Int, TypeCheckError
from torch import Tensor
from typecheck import checked, jaxtyped

from ldm.spaces import Sphere

PAIR = torch.zeros(2)
check = jaxtyped(typechecker=checked)


@check
def first(x: Float[Tensor, "n *rest"], y: Float[Tensor, "n"], rows: int = 1) -> Float[Tensor, "n"]:
    return y[:rows] if rows else y.long()


def test_axes_of_a_name_agree_from_argument_to_argument_and_to_the_result():
    assert first(torch.zeros(1, 5), torch.zeros(1)).shape == (1,)
    with pytest.raises(TypeCheckError, match="y="):
        first(torch.zeros(3, 5), PAIR)
    with pytest.raises(TypeCheckError, match="return"):
        first(torch.zeros(2, 5), PAIR, rows=1)
    with pytest.raises(TypeCheckError, match="return"):
        first(torch.zeros(2, 5), PAIR, rows=0)  # of whole numbers
    with pytest.raises(TypeCheckError, match="rows="):
        first(torch.zeros(2, 5), PAIR, rows="1")


def test_each_call_has_its_own_axes():
    @check
    def outer(x: Float[Tensor, "n"]) -> Float[Tensor, "n"]:
        longer = first(torch.zeros(3, 1), torch.zeros(3), rows=3)
        return x if len(longer) == 3 else longer

    assert outer(PAIR) is PAIR
    with pytest.raises(TypeCheckError):
        first(PAIR, torch.zeros(3))
    assert outer(PAIR) is PAIR  # and an error leaves none behind


def test_classes_and_generators_are_checked_too():
    @check
    @dataclass
    class Points:
        x: Float[Tensor, "n d"]
        label: Int[Tensor, "n"]

    @check
    def count(n: int) -> Iterator[int]:
        yield from range(n)

    assert len(Points(torch.zeros(2, 3), torch.arange(2)).x) == 2
    with pytest.raises(TypeCheckError):
        Points(torch.zeros(2, 3), torch.arange(3))
    assert list(count(2)) == [0, 1]
    with pytest.raises(TypeCheckError):
        count("2")


def test_a_whole_number_may_stand_for_a_real_one():
    @check
    def half(x: float) -> float:
        return x / 2

    assert half(3) == 1.5
    with pytest.raises(TypeCheckError):
        half("3")


def test_it_looks_at_what_tests_import():
    with pytest.raises(TypeCheckError):
        Sphere(2).distance(torch.ones(2, 3), torch.ones(4, 3))
