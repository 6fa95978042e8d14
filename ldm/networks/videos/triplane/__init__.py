"""PVDM: an autoencoder of clips by three planes of latents, and the U-Net that denoises them."""

from ldm.networks.videos.triplane.autoencoder import TriplaneDecoder, TriplaneEncoder
from ldm.networks.videos.triplane.unet import TriplaneUNet

__all__ = ["TriplaneDecoder", "TriplaneEncoder", "TriplaneUNet"]
