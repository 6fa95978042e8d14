"""Adaptive weights: ratios of the gradient norms of two losses at one layer.

Sources: Esser et al. 2021 (VQGAN), Wang et al. 2024 (GSQ), Yao and Wang 2025 (VA-VAE) and Li et
al. 2025 (WF-VAE).
"""

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = [
    "ADAPTIVE_RATIOS",
    "gradient_norm",
    "gsq_ratio",
    "vavae_ratio",
    "vqgan_ratio",
    "wf_vae_ratio",
]

Scalar = Float[Tensor, ""]


def vqgan_ratio(reconstruction: Scalar, other: Scalar) -> Scalar:
    """Compute the ratio of two gradient norms, at most 1e4; the published 1e-4 in the divisor."""
    return (reconstruction / (other + 1e-4)).clamp(max=1e4)


def vavae_ratio(reconstruction: Scalar, other: Scalar) -> Scalar:
    """Compute the ratio of two gradient norms, at most 1e8; the published 1e-4 in the divisor."""
    return (reconstruction / (other + 1e-4)).clamp(max=1e8)


def wf_vae_ratio(reconstruction: Scalar, other: Scalar) -> Scalar:
    """Compute the ratio of two gradient norms, at most 1e6; the published 1e-6 in the divisor."""
    return (reconstruction / (other + 1e-6)).clamp(max=1e6)


def gsq_ratio(reconstruction: Scalar, other: Scalar) -> Scalar:
    """Compute the ratio of two gradient norms, at most 1e3; divisor at least 1e-3; NaN gives 1."""
    return (reconstruction / other.clamp(min=1e-3)).nan_to_num(nan=1.0).clamp(max=1e3)


ADAPTIVE_RATIOS = {"vqgan": vqgan_ratio, "gsq": gsq_ratio, "wf_vae": wf_vae_ratio}
"""Ratios by which adversarial losses may be weighted."""


def gradient_norm(loss: Scalar, layer: Tensor | None) -> Scalar:
    """Compute the norm of a loss's gradient at a layer's weight; the graph is kept.

    Raises:
        ValueError: there is no layer, or the loss does not depend on it.
    """
    if layer is None:
        raise ValueError("an adaptive weight needs the weight of the decoder's last layer")
    # Keep the graph for the backward pass of the training step.
    (gradient,) = torch.autograd.grad(loss, layer, retain_graph=True, allow_unused=True)
    if gradient is None:
        raise ValueError(
            "the reconstruction does not depend on the last layer given for the adaptive weight: "
            "pass the weight of the decoder that made it"
        )
    return gradient.to(torch.promote_types(gradient.dtype, torch.float32)).norm()
