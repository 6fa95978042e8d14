"""Collectives that work in one process as well as under torchrun or Lightning."""

import os

import torch
import torch.distributed as dist
from torch import Tensor

__all__ = [
    "anywhere",
    "barrier",
    "device",
    "interleave",
    "join",
    "largest",
    "leads",
    "mean",
    "raise_together",
    "rank",
    "world",
]

# Set by torchrun, SLURM, or Lightning (for nodes, by whoever starts it on each).
PLACES = ("RANK", "SLURM_PROCID", "NODE_RANK", "GROUP_RANK", "LOCAL_RANK")


def rank() -> int:
    """Return the rank of this process, 0 when alone."""
    return dist.get_rank() if dist.is_initialized() else 0


def world() -> int:
    """Return the number of processes."""
    return dist.get_world_size() if dist.is_initialized() else 1


def leads() -> bool:
    """Return whether this process is the first of its job, also before the job has a group.

    Lightning forms the group when training begins: what a run folder is given before is written
    by the process that leads, not by each that takes itself for rank 0.
    """
    if dist.is_initialized():
        return dist.get_rank() == 0
    return not any(int(os.environ.get(place, 0)) for place in PLACES)


def barrier() -> None:
    """Wait for all processes."""
    if dist.is_initialized():
        dist.barrier()


def join() -> None:
    """Initialise the process group if torchrun started several processes and none exists yet."""
    if not dist.is_initialized() and int(os.environ.get("WORLD_SIZE", 1)) > 1:
        dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")


def device() -> torch.device:
    """Return this process's GPU, or the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
    return torch.device("cpu")


def anywhere(flag: bool) -> bool:
    """Return on every rank whether `flag` is true on any rank."""
    return bool(largest(int(flag)))


def raise_together(failure: Exception | None, otherwise: Exception) -> None:
    """Raise on every rank if one has failed, so that none waits for it in a collective operation.

    Args:
        failure: of this rank; None if it has not failed.
        otherwise: what a rank raises if only others have failed.
    """
    if anywhere(failure is not None):
        raise failure or otherwise


def largest(number: int) -> int:
    """Return on every rank the largest of the numbers that the ranks have."""
    if world() == 1:
        return number
    result = torch.tensor(number, device=_home())
    dist.all_reduce(result, dist.ReduceOp.MAX)
    return int(result)


def mean(values: Tensor) -> Tensor:
    """Average over ranks; every rank gets the result."""
    if world() == 1:
        return values
    total = values.to(_home(), copy=True)
    dist.all_reduce(total)
    return (total / world()).to(values.device)


def interleave(part: Tensor, total: int) -> Tensor:
    """Gather rows distributed round-robin (rank r of w has rows r, r + w, ...) on every rank."""
    if world() == 1:
        return part
    rows = -(-total // world())
    padded = torch.cat([part, part.new_zeros(rows - len(part), *part.shape[1:])])
    home = padded.to(_home())
    parts = [torch.empty_like(home) for _ in range(world())]
    dist.all_gather(parts, home.contiguous())
    return torch.stack(parts, 1).flatten(0, 1)[:total].to(part.device)


def _home() -> torch.device:
    """Return the device of tensors that the process group communicates."""
    return device() if dist.get_backend() == "nccl" else torch.device("cpu")
