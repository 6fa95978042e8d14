"""The U-Net of latent diffusion: residual blocks, attention, and the network."""

from ldm.networks.images.unet.captioned import CaptionedUNet
from ldm.networks.images.unet.unet import UNet

__all__ = ["CaptionedUNet", "UNet"]
