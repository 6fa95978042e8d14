"""Conditions of priors (labels, images, texts), their dropout and null values."""

from ldm.conditioning.arrays import Array
from ldm.conditioning.condition import Condition
from ldm.conditioning.conditioning import Conditioning
from ldm.conditioning.encoded_image import EncodedImage
from ldm.conditioning.given_frames import WithFrames
from ldm.conditioning.labels import Labels
from ldm.conditioning.previous import WithPrevious
from ldm.conditioning.text import Text
from ldm.conditioning.text_encoder import TextEncoder
from ldm.conditioning.tokens import Tokens

__all__ = [
    "Array",
    "Condition",
    "Conditioning",
    "EncodedImage",
    "Labels",
    "Text",
    "TextEncoder",
    "Tokens",
    "WithFrames",
    "WithPrevious",
]
