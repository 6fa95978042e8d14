"""The Fréchet distance of reconstructions by the protocols of three families of tokenizers.

Sources: Wang et al., "Scaling image tokenizers with grouped spherical quantization", 2024 (GSQ);
Rombach et al., "High-resolution image synthesis with latent diffusion models", 2022 (CompVis); Yao
et al., "Reconstruction vs. generation", 2025 (VA-VAE). Their published numbers come from different
evaluators, and compare with each other to about 0.05 only.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from data import DataModule
from data.images.base import Images
from eval.extractors import Extractor, Inception
from eval.metrics import to_uint8, truncated
from eval.record import Record
from eval.scorers.distribution import DistributionScores
from eval.scorers.pixel_scorer import PixelScorer
from eval.scorers.scorer import check_split, to_device
from ldm import distributed
from ldm.config.compose import ConfigError
from ldm.progress import tracked
from ldm.run.parts import Parts

__all__ = ["PROTOCOLS", "Protocol", "ReconstructionProtocols"]


class Protocol(NamedTuple):
    """One family's evaluator.

    Attributes:
        resize: of Inception's input.
        precision: of Inception.
        to_bytes: the map from pixels to bytes, of originals and reconstructions.
        rounding: how that is named beside the score.
        short_side: of the test images before the centre crop, over the side of the crop. It is a
            setting of the data, and recorded beside the score where that has another.
    """

    resize: str
    precision: str
    to_bytes: Callable[[Tensor], Tensor]
    rounding: str
    short_side: float


PROTOCOLS: dict[str, Protocol] = {
    "gsq": Protocol("tf1", "bfloat16", truncated, "down", 1 / 0.875),
    "compvis": Protocol("tf1", "float32", to_uint8, "to nearest", 1.0),
    "va_vae": Protocol("pytorch_fid", "float32", to_uint8, "to nearest", 1.0),
}
"""Protocols by the family's name. GSQ scores with TorchMetrics under autocast, on crops of 256
pixels from 292; CompVis with torch-fidelity, of which we do not know how pixels were rounded;
VA-VAE with pytorch-fid."""


@dataclass
class ReconstructionProtocols(PixelScorer):
    """Scores reconstructions of the test split by all `PROTOCOLS`: `rfid_gsq`, `rfid_compvis`, ...

    On the classifier only the rounding of pixels differs: `rfd_classifier_gsq`.
    """

    def check(self, parts: Parts) -> None:
        super().check(parts)
        if self.extractor not in ("inception", "classifier"):
            raise ConfigError(
                f"the protocols of reconstructions are of Inception, got eval.extractor="
                f"{self.extractor}: choose inception, or classifier"
            )
        least, _ = DistributionScores.fewest(full=False)
        check_split(parts.data, "test", least, "the Fréchet distance of reconstructions")

    @torch.no_grad()
    def score(self, parts: Parts, record: Record) -> None:
        data, tokenizer, device = parts.data, parts.tokenizer, distributed.device()
        scores = {
            name: DistributionScores(self._extractor(how, data, record), full=False).to(device)
            for name, how in PROTOCOLS.items()
        }
        for batch in map(to_device, tracked("protocols", self.batches(data, "test"))):
            reconstruction = tokenizer.reconstruct(batch)[0]["x"].float().clamp(-1, 1)
            for name, distance in scores.items():
                distance.update(PROTOCOLS[name].to_bytes(batch["x"]), real=True)
                distance.update(PROTOCOLS[name].to_bytes(reconstruction), real=False)
        for name, distance in scores.items():
            found = {f"r{score}_{name}": value for score, value in distance.compute().items()}
            record.add(found, **_protocol(name, data), **distance.extractor.protocol)

    def _extractor(self, how: Protocol, data: DataModule, record: Record) -> Extractor:
        if self.extractor == "classifier":
            return self.build_extractor(data, record)
        key = ("extractor", how.resize, how.precision)
        device = distributed.device()
        return record.once(key, lambda: Inception(how.resize, precision=how.precision).to(device))


def _protocol(name: str, data: DataModule) -> dict[str, Any]:
    how, facts = PROTOCOLS[name], {"split": "test", "n": len(data.test_dataset)}
    crop = getattr(data, "crops", {}).get("test")
    if isinstance(data, Images) and crop is not None:
        published = int(how.short_side * min(crop.size))
        facts |= {"short_side": min(crop.covered), "short_side_published": published}
    return facts | {
        "posterior": "mode",
        "pixels": f"bytes, rounded {how.rounding}",
        "protocol_of": name,
    }
