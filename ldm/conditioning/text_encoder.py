"""Frozen text encoders, read through the library transformers."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from data.files.cache import content_key
from ldm.hub.pretrained import read_tokenizer, reading, tokenized
from ldm.hub.weights import fingerprint

__all__ = ["Embedded", "TextEncoder"]


class Embedded(NamedTuple):
    """Embedded texts.

    Attributes:
        tokens: the last hidden states, `(n, length, width)`.
        mask: which tokens are of the text, not padding, `(n, length)`.
        pooled: one vector for the whole text, `(n, width)`: CLIP's state of the end token; of other
            encoders the mean of the tokens of the text.
    """

    tokens: Float[Tensor, "n length width"]
    mask: Bool[Tensor, "n length"]
    pooled: Float[Tensor, "n width"]


class TextEncoder:
    """A text encoder such as CLIP's or T5's, frozen; its weights are in no checkpoint of a run.

    Files are read at first use: constructing it reads and downloads nothing. They are those of a
    folder, or of a name on the Hugging Face hub, which are downloaded once where that is allowed.
    Texts are cut or padded to one length. It computes in float32, whatever surrounds it.

    Args:
        model: folder of the files, or their name on the hub.
        length: tokens of every text.
        width: of the hidden states.
        layers: how many layers are used, before the final normalisation; None for all. Stable
            Diffusion 2 leaves the last of 24 out.
        masked: True if padding is no part of the text, for this encoder and for a prior; False as
            in Stable Diffusion, where all tokens are attended to.
        pad: the padding token; None for that of the model's own tokenizer.

    Example:
        >>> TextEncoder("openai/clip-vit-large-patch14", length=77, width=768).length
        77
    """

    def __init__(
        self,
        model: str,
        length: int,
        width: int,
        layers: int | None = None,
        masked: bool = False,
        pad: str | None = None,
    ) -> None:
        self.model, self.length, self.width = model, length, width
        self.layers, self.masked, self.pad = layers, masked, pad
        self._empty: dict[torch.device, Embedded] = {}

    def __deepcopy__(self, memo: dict) -> "TextEncoder":
        return self  # frozen: averaged copies of a prior share it

    @torch.no_grad()
    def __call__(self, texts: Sequence[str], device: torch.device) -> Embedded:
        """Embed texts; equal ones are computed once.

        Raises:
            BadCheckpoint: see `check`.
        """
        different = {text: row for row, text in enumerate(dict.fromkeys(texts))}
        rows = torch.tensor([different[text] for text in texts], device=device)
        ids, mask = (x.to(device) for x in tokenized(self._tokenizer, different, self.length))
        with torch.autocast(device.type, enabled=False):
            network = self._network.to(device)
            seen = {"attention_mask": mask} if self.masked else {}
            found = network(input_ids=ids, **seen)
        states = found.last_hidden_state
        if network.config.model_type == "clip_text_model":
            pooled = found.pooler_output
        else:
            pooled = (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True).clamp(min=1)
        return Embedded(*(part[rows] for part in (states, mask.bool(), pooled)))

    def empty(self, device: torch.device) -> Embedded:
        """Embed the empty text, the null condition of guidance, once for each device."""
        if device not in self._empty:
            self._empty[device] = self([""], device)
        return self._empty[device]

    def blank(self) -> "TextEncoder":
        """Copy of the encoder that reads no files: its embeddings are zeros, of the same shapes."""
        return Blank(self.model, self.length, self.width, masked=self.masked)

    def read(self) -> tuple[Any, Any]:
        """Read the tokenizer and the network of transformers.

        Raises:
            BadCheckpoint: see `check`.
        """
        return self._tokenizer, self._network

    def check(self) -> None:
        """Read the files.

        Raises:
            BadCheckpoint: transformers is not installed, files are missing, damaged or cannot be
                downloaded, or their hidden states have another width.
        """
        self.read()

    @cached_property
    def identity(self) -> str:
        """Hash of everything that determines embeddings."""
        settings = [self.length, self.masked, self.pad, self.layers, fingerprint(self._network)]
        return content_key(" ".join(map(str, settings)))

    @cached_property
    def _tokenizer(self) -> Any:
        return read_tokenizer(self.model, self.pad)

    @cached_property
    def _network(self) -> Any:
        with reading(self.model) as (transformers, files):
            config = transformers.AutoConfig.from_pretrained(files)
            kind = transformers.AutoModelForTextEncoding
            if config.model_type == "clip":  # with a network of images beside that of text
                config, kind = config.text_config, transformers.CLIPTextModel
            if self.layers is not None:
                config.num_hidden_layers = self.layers
            if config.hidden_size != self.width:
                raise ValueError(f"its hidden states have {config.hidden_size} numbers: set width")
            network = kind.from_pretrained(files, config=config, dtype=torch.float32)
        return network.eval().requires_grad_(False)


class Blank(TextEncoder):
    """Stands for a text encoder in checks of shapes: all that it returns is zero."""

    def __call__(self, texts: Sequence[str], device: torch.device) -> Embedded:
        tokens = torch.zeros(len(texts), self.length, self.width, device=device)
        return Embedded(tokens, torch.ones_like(tokens[..., 0], dtype=torch.bool), tokens[:, 0])

    def check(self) -> None:
        """Do nothing."""
