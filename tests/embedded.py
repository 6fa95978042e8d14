"""A text encoder for tests: it embeds the letters of a text, and reads no files."""

from collections.abc import Sequence

import torch

from ldm.conditioning import TextEncoder
from ldm.conditioning.text_encoder import Embedded

TABLE = torch.randn(256, 8, generator=torch.Generator().manual_seed(0))


class Letters(TextEncoder):
    """A fixed vector for each of the first letters of a text, and for the end of it."""

    identity = "letters"

    def __init__(self, model: str = "letters", length: int = 6, width: int = 8, **options) -> None:
        super().__init__(model, length, width, **options)

    def __call__(self, texts: Sequence[str], device: torch.device) -> Embedded:
        codes = [[*text.encode()[: self.length - 1], 255] for text in texts]
        mask = torch.tensor([[n < len(one) for n in range(self.length)] for one in codes])
        padded = torch.tensor([one + [0] * (self.length - len(one)) for one in codes])
        tokens = TABLE.repeat(1, -(-self.width // 8))[padded, : self.width].to(device)
        mask = mask.to(device)
        pooled = (tokens * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        return Embedded(tokens, mask, pooled)

    def check(self) -> None:
        """Nothing is read."""

    @staticmethod
    def unreadable() -> TextEncoder:
        """An encoder whose files are nowhere."""
        return TextEncoder("nowhere", 6, 8, masked=True)
