"""The probability flow of a process, solved to a tolerance by torchdiffeq's adaptive solvers."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from ldm.processes import Process
from ldm.randomness import Generators
from ldm.samplers.sampler import Denoise, Sampler
from ldm.spaces import Space

__all__ = ["AdaptiveODE", "solve"]

States = tuple[Tensor, ...]


def solve(
    field: Callable[[Tensor, States], States],
    states: States,
    span: tuple[float, float],
    rtol: float,
    atol: float,
) -> States:
    """States at the end of a time span, by Dormand and Prince's method of order 5.

    The step is chosen for the whole batch, from the root mean square of its errors.
    """
    from torchdiffeq import odeint

    times = torch.tensor(span, dtype=torch.float64, device=states[0].device)
    # It would step beyond the end and come back, but there may be no field there.
    options = {"step_t": times[1:]}
    path = odeint(field, states, times, rtol=rtol, atol=atol, method="dopri5", options=options)
    return tuple(state[-1] for state in path)


class AdaptiveODE(Sampler):
    """As many steps as a tolerance asks for, the number depending on the whole batch.

    So samples drawn in different company differ, by less than the tolerance.

    Args:
        rtol: relative tolerance.
        atol: absolute tolerance, in the units of the coordinates.
    """

    def __init__(self, rtol: float = 1e-5, atol: float = 1e-5) -> None:
        self.rtol, self.atol = rtol, atol

    def __call__(
        self,
        denoise: Denoise,
        process: Process,
        space: Space,
        n: int,
        condition: dict[str, Tensor],
        generator: Generators = None,
        device: torch.device | str | None = None,
    ) -> Float[Tensor, "n ..."]:
        def field(t: Tensor, states: States) -> States:
            x = space.project(states[0])  # between steps a solver leaves the space
            times = t.to(x.dtype).expand(n)
            return (process.velocity(denoise(x, times, condition), x, times),)

        x = process.random(n, generator, device)
        (x,) = solve(field, (x,), process.span, self.rtol, self.atol)
        return space.project(x)
