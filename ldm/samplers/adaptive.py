"""The probability flow of a process, solved to a tolerance by torchdiffeq's adaptive solvers."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from ldm.processes import Process
from ldm.randomness import Generators
from ldm.samplers.sampler import Denoise, Sampler, Span, Unsolved

__all__ = ["AdaptiveODE", "solve"]

States = tuple[Tensor, ...]

LIMIT = 10_000  # steps, of six network calls each; smooth fields need some tens


def solve(
    field: Callable[[Tensor, States], States],
    states: States,
    span: Span,
    rtol: float,
    atol: float,
) -> States:
    """States at the end of a time span, by Dormand and Prince's method of order 5.

    The step is chosen for the whole batch, from the root mean square of its errors.

    Raises:
        Unsolved: no step is small enough, or too many are needed.
    """
    from torchdiffeq import odeint

    found = states

    def noted(t: Tensor, states: States) -> States:
        nonlocal found
        found = field(t, states)
        return found

    times = torch.tensor(span, dtype=torch.float64, device=states[0].device)
    # It would step beyond the end and come back, but there may be no field there.
    options = {"step_t": times[1:], "max_num_steps": LIMIT}
    try:
        path = odeint(noted, states, times, rtol=rtol, atol=atol, method="dopri5", options=options)
    except AssertionError as error:  # how torchdiffeq gives up
        numbers = all(part.isfinite().all() for part in found)
        reason = "changes too fast" if numbers else "is NaN or infinite"
        raise Unsolved(
            f"the adaptive solver gave up ({error}): the network's prediction {reason}; take a "
            f"fixed number of steps (sampler=flow_heun, or the likelihood's `steps`), a larger "
            f"tolerance, or train the network better"
        ) from error
    return tuple(state[-1] for state in path)


class AdaptiveODE(Sampler):
    """Solves the flow to a tolerance, with steps chosen for the whole batch.

    Samples in batches of other company therefore differ, by less than the tolerance.

    Args:
        rtol: relative tolerance.
        atol: absolute tolerance, in the units of the coordinates.

    Raises:
        ValueError: a tolerance is not positive.
    """

    def __init__(self, rtol: float = 1e-5, atol: float = 1e-5) -> None:
        if not (rtol > 0 and atol > 0):
            raise ValueError(f"tolerances must be above 0, got {rtol} and {atol}")
        self.rtol, self.atol = rtol, atol

    def walk(
        self,
        denoise: Denoise,
        process: Process,
        x: Float[Tensor, "n ..."],
        condition: dict[str, Tensor],
        generator: Generators,
        span: Span,
    ) -> Float[Tensor, "n ..."]:
        space = process.space

        def field(t: Tensor, states: States) -> States:
            x = space.project(states[0])  # between steps a solver leaves the space
            times = t.to(x.dtype).expand(len(x))
            return (process.velocity(denoise(x, times, condition), x, times),)

        (x,) = solve(field, (x,), span, self.rtol, self.atol)
        return space.project(x)
