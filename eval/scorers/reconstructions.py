"""Scores of a tokenizer: pairs of pictures, their distributions, and its codebook."""

import torch

from data.images.grid import save_picture
from eval.extractors import Extractor
from eval.metrics import CodebookUsage, PairScores, to_uint8
from eval.record import Scores
from eval.scorers.distribution import DistributionScores
from eval.scorers.scorer import Evaluation
from ldm import distributed
from ldm.bottlenecks import DiscreteBottleneck
from ldm.losses import LPIPS
from ldm.run.folder import Run
from ldm.run.parts import Parts

__all__ = ["score_reconstructions"]


@torch.no_grad()
def score_reconstructions(
    parts: Parts, evaluation: Evaluation, extractor: Extractor, scores: Scores, lpips: bool
) -> None:
    """Reconstruct the test split from the posterior's mode; writes `reconstructions.png`."""
    data, tokenizer, device = parts.data, parts.tokenizer, distributed.device()
    pairs = PairScores(LPIPS("alex") if lpips else None).to(device)
    distance = DistributionScores(extractor, full=False).to(device)
    usage = None
    if isinstance(bottleneck := tokenizer.bottleneck, DiscreteBottleneck):
        usage = CodebookUsage(bottleneck.vocabulary, bottleneck.groups).to(device)
    for number, batch in enumerate(evaluation.batches(data, "test")):
        x = batch["x"].to(device)
        reconstruction, encoded = tokenizer.reconstruct({"x": x})
        y = reconstruction["x"].float().clamp(-1, 1)
        pairs.update(to_uint8(y), to_uint8(x))
        distance.update(to_uint8(x), real=True)
        distance.update(to_uint8(y), real=False)
        if usage is not None:
            usage.update(encoded.codes)
        if number == 0 and distributed.rank() == 0:
            shown = torch.stack([x[:32], y[:32]], 1).flatten(0, 1)  # each beside its original
            path = Run(parts.config.run).folder / "reconstructions.png"
            save_picture(path, data.show({"x": shown}, columns=8))
    protocol = {
        "split": "test",
        "n": len(data.test_dataset),
        "posterior": "mode",
        "pixels": "bytes",
    }
    scores.add(pairs.compute(), **protocol)
    named = {f"r{name}": value for name, value in distance.compute().items()}
    scores.add(named, **protocol, **extractor.protocol)
    if usage is not None:
        scores.add({f"codebook_{k}": v for k, v in usage.compute().items()}, **protocol)
