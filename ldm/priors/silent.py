"""A network that outputs zero, for checking samplers."""

import torch
from torch import Tensor, nn
from torch.func import functional_call

__all__ = ["Silent"]


class Silent(nn.Module):
    """Outputs zeros in the shape of a network's output, which is inferred once on the meta device.

    Args:
        network: a backbone, on any device; it is never evaluated with numbers.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = [network]  # in a list: its parameters are not this module's
        self.zero = nn.Parameter(torch.zeros(()))
        self.shape: tuple[int, ...] | None = None

    def forward(self, noisy: Tensor, t: Tensor, **condition: Tensor) -> Tensor:
        """Zeros `(n, ...)` for noisy latents at times `t`."""
        if self.shape is None:
            (network,) = self.network
            state = {**dict(network.named_parameters()), **dict(network.named_buffers())}
            meta = {name: x.detach().to("meta") for name, x in state.items()}
            given = {key: value.to("meta") for key, value in condition.items()}
            read = (noisy.to("meta"), t.to("meta"))
            try:
                self.shape = functional_call(network, meta, read, given).shape[1:]
            except Exception:  # a network that looks at numbers has to be given some
                with torch.no_grad():
                    self.shape = network(noisy, t, **condition).shape[1:]
        return self.zero.expand(len(noisy), *self.shape)
