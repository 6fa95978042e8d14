"""Comparison of two sets of pictures in files, also by the protocol of the ADM suite."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple
from zipfile import BadZipFile

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from data.files.errors import DataError
from data.files.roots import cache_folder
from data.files.whole import check_writable, write_whole
from eval.evaluate import print_scores
from eval.extractors import Classifier, Extractor
from eval.metrics import (
    FrechetStatistics,
    Moments,
    cmmd,
    frechet_distance,
    inception_score,
    kernel_distance,
    prdc_scores,
)
from eval.picture_sets import PictureSet
from eval.record import Record
from eval.scorers.distribution import DistributionScores
from eval.scorers.pixel_scorer import BY_FILE
from eval.scorers.samples import REMEMBERED
from ldm import distributed
from ldm.config.compose import ConfigError
from ldm.hub.weights import BadCheckpoint
from ldm.progress import progress
from ldm.run.folder import Run
from ldm.run.loading import last_config
from ldm.run.parts import build_data

__all__ = ["PROTOCOLS", "Protocol", "Statistics", "compare", "score", "statistics"]


class Protocol(NamedTuple):
    """Choices of a comparison that its numbers depend on, beside the extractor.

    Attributes:
        kept: most features of a set that precision, recall and the kernel distance see.
        part: pictures in one part of the inception score, in the order of the set; None for no
            inception score.
        scores: names of the scores; empty for all there are.
    """

    kept: int | None = REMEMBERED
    part: int | None = None
    scores: tuple[str, ...] = ()


PROTOCOLS: dict[str, Protocol] = {
    "plain": Protocol(),
    "adm": Protocol(
        kept=None, part=5000, scores=("is", "is_std", "fd", "sfd", "precision", "recall")
    ),
}
"""Protocols by name. `adm` is that of Dhariwal and Nichol's evaluation suite ("Diffusion models
beat GANs on image synthesis", 2021), which ADM, DiT, SiT and LightningDiT report: all samples
against the pictures of a reference batch for precision and recall (k = 3), and against its saved
statistics for FID and sFID; inception scores of 5,000 consecutive samples."""


class Statistics(NamedTuple):
    """Statistics of the features of a set of pictures.

    Attributes:
        moments: mean and covariance of all features.
        kept: features, evenly spaced, as many as the protocol keeps; None without pictures.
        spatial: mean and covariance of spatial features; None without.
        inception: inception score, `mean` and `std`; empty without.
    """

    moments: Moments
    kept: Float[Tensor, "n dim"] | None
    spatial: Moments | None = None
    inception: Mapping[str, float] = {}


def score(
    samples: str,
    reference: str,
    run: str | None = None,
    output: str | None = None,
    protocol: str = "plain",
    extractor: str = "inception",
) -> None:
    """Score one set of pictures against another, print the scores, and write `metrics.json`.

    Args:
        samples: path of generated pictures.
        reference: path of real ones.
        run: folder of a run, to score on the classifier of its data.
        output: folder of `metrics.json`; None to print alone.
        protocol: a name in `PROTOCOLS`.
        extractor: without a run, a name in `BY_FILE`: `inception`, `dinov2` or `clip`.

    Raises:
        ConfigError, DataError: a set, the protocol or the extractor is missing.
    """
    if protocol not in PROTOCOLS:
        raise ConfigError(f"protocol is one of {', '.join(PROTOCOLS)}, got {protocol!r}")
    if extractor not in BY_FILE:
        raise ConfigError(f"extractor is one of {', '.join(BY_FILE)}, got {extractor!r}")
    folder = None if output is None else Path(output).expanduser()
    if folder is not None:
        check_writable(folder / "metrics.json")
    sets = [Path(one).expanduser() for one in (samples, reference)]
    network = _extractor(extractor) if run is None else _classifier(run)
    record = Record(folder, samples=samples, reference=reference, protocol=protocol)
    scores = compare(*sets, network, protocol)
    counts = {key: _count(path) for key, path in zip(("n", "n_reference"), sets, strict=True)}
    record.add(scores, **counts, **network.protocol)
    record.save()
    print_scores(record, f"{samples} against {reference}")


def compare(
    samples: Path, reference: Path, extractor: Extractor, protocol: str = "plain"
) -> dict[str, Tensor]:
    """Score one set of pictures against another: Fréchet and kernel distance, precision, recall.

    Args:
        samples: folder or file of generated pictures.
        reference: folder or file of real ones.
        extractor: of the features, on the device of this process.
        protocol: a name in `PROTOCOLS`.

    Returns:
        Scores by name, as in evaluations; those of a set's moments alone if it has no pictures.

    Raises:
        DataError: a set cannot be read, is too small, or has statistics of other features.
    """
    how = PROTOCOLS[protocol]
    fake, real = (statistics(path, extractor, how) for path in (samples, reference))
    for path, found in ((samples, fake), (reference, real)):
        if len(found.moments.mu) != extractor.feature_size:
            raise DataError(
                f"{path} holds statistics of {len(found.moments.mu)} features, and "
                f"{extractor.name} has {extractor.feature_size}: they are of another network"
            )
    scores = {"fd": _distance(fake.moments, real.moments)}
    scores |= {"is" if name == "mean" else f"is_{name}": x for name, x in fake.inception.items()}
    if fake.spatial is not None and real.spatial is not None:
        scores["sfd"] = _distance(fake.spatial, real.spatial)
    if fake.kept is not None and real.kept is not None:
        kernel = kernel_distance(real.kept, fake.kept)
        scores |= {"kd": kernel["mean"], "kd_std": kernel["std"]}
        scores |= prdc_scores(real.kept, fake.kept)
        if extractor.bandwidth is not None:
            scores["mmd"] = cmmd(real.kept, fake.kept, extractor.bandwidth)
    names = DistributionScores(extractor, full=False)
    chosen = [name for name in how.scores or scores if name in scores]
    return {names.named(name): torch.as_tensor(scores[name]) for name in chosen}


def _count(path: Path) -> int | None:
    """Number of pictures, or of those that statistics were computed of; None if that is unknown."""
    pictures = PictureSet(path)
    moments = pictures.moments()
    return pictures.pictures(3)[0] if moments is None else moments.n


def _distance(one: Moments, other: Moments) -> Tensor:
    return frechet_distance(one.mu, one.sigma, other.mu, other.sigma)


def _extractor(name: str) -> Extractor:
    """Build an extractor with published weights."""
    try:
        return BY_FILE[name]("tf1").to(distributed.device())
    except BadCheckpoint as error:
        raise ConfigError(
            f"{error}; or name a run, run=..., to score on the classifier of its labelled data"
        ) from error


def _classifier(run: str) -> Extractor:
    """Build the classifier of a run's data."""
    data = build_data(last_config(Run(run)))
    data.prepare_data()
    try:
        classifier = Classifier.trained(data, cache_folder() / "classifiers")
    except ValueError as error:
        raise ConfigError(str(error)) from error
    return classifier.to(distributed.device())


def statistics(path: Path, extractor: Extractor, how: Protocol | None = None) -> Statistics:
    """Read or compute the statistics of a set; computed ones are cached by the set's content.

    Moments that a file holds are taken in place of those of its pictures.

    Raises:
        DataError: the set cannot be read, or is too small.
    """
    how, pictures = how or PROTOCOLS["plain"], PictureSet(path)
    saved, spatial = pictures.moments(), pictures.moments("mu_s", "sigma_s")
    if not pictures.has_pictures and saved is not None:
        return Statistics(saved, None, spatial)
    identity = [json.dumps(extractor.protocol, sort_keys=True), str(how.kept), str(how.part)]
    key = hashlib.sha256("\n".join([pictures.content(), *identity]).encode()).hexdigest()[:32]
    cache = cache_folder() / "features" / f"{key}.npz"
    try:
        found = _load(cache)
    except (OSError, ValueError, KeyError, BadZipFile):  # not there, or damaged: computed anew
        found = _compute(pictures, extractor, how)
        write_whole(cache, lambda part: _save(part, found))
    if saved is None:
        return found
    return found._replace(moments=saved, spatial=spatial)


def _load(path: Path) -> Statistics:
    with np.load(path, allow_pickle=False) as arrays:
        kept = torch.from_numpy(arrays["kept"])
        inception = dict(zip(("mean", "std"), arrays["inception"].tolist(), strict=False))
        spatial = Moments.load(path, "mu_s", "sigma_s") if "mu_s" in arrays.files else None
    return Statistics(Moments.load(path), kept, spatial, inception)


def _save(path: Path, found: Statistics) -> None:
    arrays = {"inception": np.array(list(found.inception.values())), "n": found.moments.n}
    for end, moments in (("", found.moments), ("_s", found.spatial)):
        if moments is not None:
            arrays |= {f"mu{end}": moments.mu.numpy(), f"sigma{end}": moments.sigma.numpy()}
    np.savez(path, kept=found.kept.numpy(), **arrays)


def _compute(pictures: PictureSet, extractor: Extractor, how: Protocol) -> Statistics:
    # The channels that the extractor reads; 3 for those that read any.
    n, batches = pictures.pictures(getattr(extractor, "shape", (3,))[0])
    least, _ = DistributionScores.fewest()
    if n < least:
        raise DataError(f"{pictures.path} holds {n} pictures: scores need {least} or more")
    device, kept, logits, first = distributed.device(), [], [], 0
    total = FrechetStatistics(extractor.feature_size).to(device)
    size = extractor.spatial_size
    spatial = FrechetStatistics(size).to(device) if size else None
    every = 1 if how.kept is None else -(-n // how.kept)
    with progress(f"features of {pictures.path}", n) as advance:
        for images in batches:
            try:
                features = extractor(images.to(device))
            except ValueError as error:
                raise DataError(f"{pictures.path} does not fit: {error}") from error
            total.update(features.pooled)
            if spatial is not None:
                spatial.update(features.spatial)
            kept.append(features.pooled[-first % every :: every].cpu())
            if how.part and features.logits is not None:
                logits.append(features.logits.cpu())
            first += len(images)
            advance(len(images))
    found = inception_score(torch.cat(logits), part=how.part, seed=None) if logits else {}
    return Statistics(
        _on_cpu(total),
        torch.cat(kept),
        None if spatial is None else _on_cpu(spatial),
        {name: value.item() for name, value in found.items()},
    )


def _on_cpu(statistics: FrechetStatistics) -> Moments:
    mu, sigma, n = statistics.compute()
    return Moments(mu.cpu(), sigma.cpu(), n)
