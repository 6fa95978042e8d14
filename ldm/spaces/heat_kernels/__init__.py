"""Heat kernels: the laws of Brownian motion on spaces, exactly."""

from ldm.spaces.heat_kernels.heat_kernel import HeatKernel

__all__ = ["HeatKernel"]
