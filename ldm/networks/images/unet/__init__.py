"""The U-Net of latent diffusion: residual blocks, attention, and the network."""

from ldm.networks.images.unet.unet import UNet

__all__ = ["UNet"]
