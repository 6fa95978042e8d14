"""Linear layers that add their bias and apply GELU within the matrix product, where they can."""

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd import forward_ad

__all__ = ["Linear"]

# PyTorch has no public name for the kernel, which its own compiler calls.
ONEDNN = torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


class Linear(nn.Linear):
    """A linear layer, followed by GELU in its tanh approximation if `gelu` is True.

    Without derivatives on a CPU, oneDNN computes all of it in one pass over the output, and agrees
    to rounding.

    Args:
        inputs, outputs: width of the features before and after.
        gelu: apply GELU (Hendrycks and Gimpel 2016).

    Example:
        >>> Linear(4, 8, gelu=True)(torch.zeros(2, 3, 4)).shape
        torch.Size([2, 3, 8])
    """

    def __init__(self, inputs: int, outputs: int, gelu: bool = False) -> None:
        super().__init__(inputs, outputs)
        self.gelu = gelu

    def forward(self, x: Float[Tensor, "*b inputs"]) -> Float[Tensor, "*b outputs"]:
        if ONEDNN and x.is_cpu and not _differentiated():
            half = torch.is_autocast_enabled("cpu")
            dtype = torch.get_autocast_dtype("cpu") if half else x.dtype
            if dtype in (torch.float32, torch.bfloat16):
                x, weight, bias = (part.to(dtype) for part in (x, self.weight, self.bias))
                return _fused(x, weight, bias, self.gelu)
        x = super().forward(x)
        return gelu(x) if self.gelu else x


def _differentiated() -> bool:
    """True if derivatives may be taken, backward or forward: oneDNN's kernels have none."""
    return torch.is_grad_enabled() or forward_ad._current_level >= 0


@torch.library.custom_op("ldm::linear", mutates_args=())
def _fused(x: Tensor, weight: Tensor, bias: Tensor, gelu: bool) -> Tensor:
    """The layer by oneDNN, which compiled code calls as it is."""
    activation = ("gelu", [], "tanh") if gelu else ("none", [], "")
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, *activation)


@_fused.register_fake
def _(x: Tensor, weight: Tensor, bias: Tensor, gelu: bool) -> Tensor:
    return x.new_empty(*x.shape[:-1], len(weight))


def gelu(x: Float[Tensor, "*b d"]) -> Float[Tensor, "*b d"]:
    """GELU in its tanh approximation."""
    if torch.compiler.is_compiling():
        # `(1 + tanh(u)) / 2 = sigmoid(2 u)`, which compiled CPU code computes 3 times as fast.
        return x * torch.sigmoid(math.sqrt(8 / math.pi) * (x + 0.044715 * x**3))
    return F.gelu(x, approximate="tanh")
