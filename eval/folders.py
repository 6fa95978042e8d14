"""Comparison of two sets of pictures in files: folders, ADM's arrays, or saved statistics."""

import hashlib
import json
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import NamedTuple
from zipfile import BadZipFile

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from data.files.download import digest
from data.files.errors import DataError
from data.files.roots import cache_folder
from data.files.whole import check_writable, write_whole
from data.images.listing import list_images
from data.images.reading import read_image
from eval.evaluate import print_scores
from eval.extractors import Classifier, Extractor, Inception
from eval.metrics import FrechetStatistics, Moments, frechet_distance, kernel_distance, prdc_scores
from eval.record import Record
from eval.scorers.distribution import DistributionScores
from eval.scorers.samples import REMEMBERED
from ldm import distributed
from ldm.config.compose import ConfigError
from ldm.hub.weights import BadCheckpoint
from ldm.progress import progress
from ldm.run.folder import Run
from ldm.run.loading import last_config
from ldm.run.parts import build_data

__all__ = ["Statistics", "compare", "score", "statistics"]

BATCH = 64  # pictures at once


class Statistics(NamedTuple):
    """Statistics of the features of a set of pictures.

    Attributes:
        moments: mean and covariance of all features.
        kept: at most `REMEMBERED` of the features, evenly spaced; None if only moments are known.
    """

    moments: Moments
    kept: Float[Tensor, "n dim"] | None


def score(samples: str, reference: str, run: str | None = None, output: str | None = None) -> None:
    """Score one set of pictures against another, print the scores, and write `metrics.json`.

    Args:
        samples: path of generated pictures.
        reference: path of real ones.
        run: folder of a run, to score on the classifier of its data; None for Inception.
        output: folder of `metrics.json`; None to print alone.

    Raises:
        ConfigError, DataError: a set or the extractor is missing.
    """
    folder = None if output is None else Path(output).expanduser()
    if folder is not None:
        check_writable(folder / "metrics.json")
    sets = [Path(one).expanduser() for one in (samples, reference)]
    extractor = _extractor(run)
    record = Record(folder, samples=samples, reference=reference)
    record.add(compare(*sets, extractor), **extractor.protocol)
    record.save()
    print_scores(record, f"{samples} against {reference}")


def compare(samples: Path, reference: Path, extractor: Extractor) -> dict[str, Tensor]:
    """Score one set of pictures against another: Fréchet and kernel distance, precision, recall.

    Args:
        samples: folder or file of generated pictures.
        reference: folder or file of real ones.
        extractor: of the features, on the device of this process.

    Returns:
        Scores by name, as in evaluations; the Fréchet distance alone if a set is only statistics.

    Raises:
        DataError: a set cannot be read, is too small, or has statistics of other features.
    """
    (fake, kept), (real, kept_real) = (statistics(path, extractor) for path in (samples, reference))
    for path, moments in ((samples, fake), (reference, real)):
        if len(moments.mu) != extractor.feature_size:
            raise DataError(
                f"{path} holds statistics of {len(moments.mu)} features, and {extractor.name} has "
                f"{extractor.feature_size}: they are of another network"
            )
    scores = {"fd": frechet_distance(fake.mu, fake.sigma, real.mu, real.sigma)}
    if kept is not None and kept_real is not None:
        kernel = kernel_distance(kept_real, kept)
        scores |= {"kd": kernel["mean"], "kd_std": kernel["std"], **prdc_scores(kept_real, kept)}
    names = DistributionScores(extractor, full=False)
    return {names.named(name): value for name, value in scores.items()}


def _extractor(run: str | None) -> Extractor:
    """Build Inception, or the classifier of a run's data."""
    if run is None:
        try:
            return Inception().to(distributed.device())
        except BadCheckpoint as error:
            raise ConfigError(
                f"{error}; or name a run, run=..., to score on the classifier of its labelled data"
            ) from error
    data = build_data(last_config(Run(run)))
    data.prepare_data()
    try:
        classifier = Classifier.trained(data, cache_folder() / "classifiers")
    except ValueError as error:
        raise ConfigError(str(error)) from error
    return classifier.to(distributed.device())


def statistics(path: Path, extractor: Extractor) -> Statistics:
    """Read or compute the statistics of a set; computed ones are cached by the set's content.

    Raises:
        DataError: the set cannot be read, or is too small.
    """
    if path.suffix == ".npz":
        names = _arrays(path).files
        if {"mu", "sigma"} <= set(names):
            return Statistics(Moments.load(path), None)
        if "arr_0" not in names:
            raise DataError(f"{path} has neither arr_0 nor mu and sigma: it holds {names}")
    elif not path.is_dir():
        raise DataError(f"{path} is neither a folder of images nor an .npz file")
    identity = [_content(path), json.dumps(extractor.protocol, sort_keys=True), str(REMEMBERED)]
    key = hashlib.sha256("\n".join(identity).encode()).hexdigest()[:32]
    cache = cache_folder() / "features" / f"{key}.npz"
    try:
        with np.load(cache, allow_pickle=False) as arrays:
            return Statistics(Moments.load(cache), torch.from_numpy(arrays["kept"]))
    except (OSError, ValueError, KeyError, BadZipFile):  # not there, or damaged: computed anew
        found = _compute(path, extractor)
    (mu, sigma, n), kept = found
    arrays = {"mu": mu.cpu().numpy(), "sigma": sigma.cpu().numpy(), "n": n, "kept": kept.numpy()}
    write_whole(cache, lambda part: np.savez(part, **arrays))
    return found


def _compute(path: Path, extractor: Extractor) -> Statistics:
    n, batches = _pictures(path, _channels(extractor))
    least, _ = DistributionScores.fewest()
    if n < least:
        raise DataError(f"{path} holds {n} pictures: scores need {least} or more")
    device, total, kept = distributed.device(), FrechetStatistics(extractor.feature_size), []
    total.to(device)
    every, first = -(-n // REMEMBERED), 0
    with progress(f"features of {path}", n) as advance:
        for images in batches:
            try:
                pooled = extractor(images.to(device)).pooled
            except ValueError as error:
                raise DataError(f"{path} does not fit: {error}") from error
            total.update(pooled)
            kept.append(pooled[-first % every :: every].cpu())
            first += len(images)
            advance(len(images))
    mu, sigma, n = total.compute()
    return Statistics(Moments(mu.cpu(), sigma.cpu(), n), torch.cat(kept))


def _channels(extractor: Extractor) -> int:
    """Channels of the pictures that an extractor reads; 3 for those that read any."""
    return getattr(extractor, "picture", (3,))[0]


def _pictures(path: Path, channels: int) -> tuple[int, Iterator[UInt8[Tensor, "b c h w"]]]:
    """Count the pictures of a folder or an array, and read them in batches of one size each."""
    if path.suffix == ".npz":
        array = _arrays(path)["arr_0"]
        if array.ndim != 4 or array.shape[-1] != 3 or array.dtype != np.uint8:
            raise DataError(
                f"{path} holds {array.dtype} of shape {array.shape} under arr_0, not bytes of "
                f"(n, height, width, 3)"
            )
        images = torch.from_numpy(array).permute(0, 3, 1, 2)
        return len(images), (_grey(part, channels) for part in images.split(BATCH))
    listing = list_images(path)
    return len(listing.names), _read(path, listing.names, channels)


def _read(folder: Path, names: list[str], channels: int) -> Iterator[UInt8[Tensor, "b c h w"]]:
    def pixels(name: str) -> np.ndarray:
        image = np.asarray(read_image(folder / name, channels))
        levels = (image * 255 + 0.5).astype(np.uint8) if image.dtype != np.uint8 else image
        return np.broadcast_to(levels.reshape(*levels.shape[:2], -1), (*levels.shape[:2], channels))

    for start in range(0, len(names), BATCH):
        read = map(pixels, names[start : start + BATCH])
        for _, images in groupby(read, key=lambda image: image.shape):
            yield torch.from_numpy(np.stack(list(images))).permute(0, 3, 1, 2)


def _grey(images: UInt8[Tensor, "b 3 h w"], channels: int) -> UInt8[Tensor, "b c h w"]:
    """Keep one channel where grey is asked for, weighted as in Pillow's conversion."""
    if channels == 3:
        return images
    weights = torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)
    return (images * weights).sum(1, keepdim=True).round().byte()


def _arrays(path: Path) -> np.lib.npyio.NpzFile:
    try:
        return np.load(path, allow_pickle=False)
    except (OSError, ValueError, BadZipFile) as error:
        raise DataError(f"{path} cannot be read as .npz: {error}") from error


def _content(path: Path) -> str:
    """Hash the bytes of a file, or of all images of a folder."""
    if path.is_file():
        return digest(path)
    return "\n".join(digest(path / name) for name in list_images(path).names)
