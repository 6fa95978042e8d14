"""A small classifier of the evaluated data, as a feature extractor where Inception does not fit.

Handwritten digits are unlike ImageNet, and Inception needs published weights. A classifier trained
on the labelled training set has features that separate its classes; it is trained at first use and
cached. Its scores rank models of one dataset; they are not comparable with published numbers.
"""

import json
import math
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Int, UInt8
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from data import DataModule
from data.files.cache import content_key
from data.files.whole import write_whole
from eval.extractors.extractor import Extractor, Features
from eval.metrics.pixels import to_uint8
from ldm.progress import tracked

__all__ = ["Classifier", "Settings"]


@dataclass(frozen=True)
class Settings:
    """Settings of the network and its training; with the data they identify the cached file.

    Attributes:
        feature_size: width of the layer before the logits.
        width: channels of the first convolution; the others have twice as many.
        samples: training pictures, counted with repetition.
        batch: pictures per step.
        learning_rate: maximum of a one-cycle schedule.
        seed: seed of the initial weights and of the order of the pictures.
    """

    feature_size: int = 64
    width: int = 32
    samples: int = 40_000
    batch: int = 64
    learning_rate: float = 3e-3
    seed: int = 0


class Classifier(Extractor):
    """Convolutions down to a 4 x 4 grid, one linear layer of normalised features, and logits.

    Use `Classifier.trained`, or `fit`: the constructor alone gives random weights.

    Args:
        channels: of a picture.
        size: height and width of a picture, pixels; designed for sides of 8 to 64.
        classes: number of classes.
        settings: of network and training.
    """

    name = "classifier"

    def __init__(
        self, channels: int, size: Sequence[int], classes: int, settings: Settings | None = None
    ) -> None:
        super().__init__()
        self.settings = settings = settings or Settings()
        self.feature_size = settings.feature_size
        self.picture = (channels, *size)
        self.protocol = {
            "extractor": "classifier",
            "feature_size": settings.feature_size,
            "classifier_seed": settings.seed,
        }
        width, side = settings.width, max(size)
        layers = [nn.Conv2d(channels, width, 3, padding=1, bias=False), *_norm(width)]
        while side > 4:
            wider = 2 * settings.width
            layers += [nn.Conv2d(width, wider, 3, 2, padding=1, bias=False), *_norm(wider)]
            width, side = wider, (side + 1) // 2
        self.convolutions = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten())
        # Features are normalised and precede the non-linearity: their covariance has full rank, and
        # Fréchet distances have a scale of about feature_size.
        self.features = nn.Sequential(
            nn.Linear(4 * width, settings.feature_size, bias=False),
            nn.BatchNorm1d(settings.feature_size),
        )
        self.head = nn.Linear(settings.feature_size, classes)
        self.freeze()

    def forward(self, images: UInt8[Tensor, "batch channel height width"]) -> Features:
        if images.shape[1:] != self.picture:
            found = tuple(images.shape[1:])
            raise ValueError(f"this classifier is for pictures of {self.picture}, got {found}")
        with torch.no_grad(), torch.autocast(images.device.type, enabled=False):
            return self._features(images)

    def _features(self, images: UInt8[Tensor, "batch channel height width"]) -> Features:
        pooled = self.features(self.convolutions(images.float() / 127.5 - 1))
        return Features(pooled, self.head(F.silu(pooled)))

    @classmethod
    def trained(
        cls, data: DataModule, cache: str | os.PathLike[str], settings: Settings | None = None
    ) -> "Classifier":
        """Load the classifier of a dataset from the cache, or train it and cache it.

        It is trained on the CPU on unaugmented pictures, all in memory, so that the weights depend
        only on the data, the settings, the machine and its number of threads.

        Args:
            data: with labels, of pictures of one size.
            cache: folder of trained classifiers; created if it is missing.
            settings: of network and training.

        Raises:
            ValueError: the data has no labels, or the cached file is damaged.
        """
        if not data.classes:
            raise ValueError(f"{data.name} has no labels to train a classifier on")
        model = cls(data.channels, data.shape[1:], data.classes, settings)
        path = cls.path(data, cache, model.settings)
        if path.is_file():
            return model._read(path)
        model.fit(*_split(data, "train"))
        model.protocol |= {
            "trained_on": f"{data.name} {data.fingerprint}",
            "accuracy": round(model.accuracy(*_split(data, "test")), 4),
        }
        model._write(path)
        return model

    @staticmethod
    def path(
        data: DataModule, cache: str | os.PathLike[str], settings: Settings | None = None
    ) -> Path:
        """Name the file of a dataset's classifier, which `trained` writes."""
        identity = {"data": data.fingerprint, **asdict(settings or Settings())}
        key = content_key(json.dumps(identity, sort_keys=True))
        return Path(cache) / f"classifier-{key}.safetensors"

    def fit(
        self, images: UInt8[Tensor, "n channel height width"], labels: Int[Tensor, " n"]
    ) -> "Classifier":
        """Train from new initial weights; earlier training is discarded."""
        settings = self.settings
        self.requires_grad_(True)
        nn.Module.train(self, True)
        with torch.random.fork_rng(devices=[]):  # does not change the caller's random state
            torch.manual_seed(settings.seed)
            for module in self.modules():
                if isinstance(module, nn.Linear | nn.Conv2d | nn.BatchNorm1d | nn.BatchNorm2d):
                    module.reset_parameters()
            epochs = math.ceil(settings.samples / len(images))
            order = torch.cat([torch.randperm(len(images)) for _ in range(epochs)])
        # Only complete batches: batch norm fails on a last batch of one picture.
        steps = order[: settings.samples // settings.batch * settings.batch].split(settings.batch)
        optimizer = torch.optim.AdamW(self.parameters(), settings.learning_rate, weight_decay=0.02)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, settings.learning_rate, total_steps=len(steps)
        )
        with torch.enable_grad(), torch.autocast("cpu", enabled=False):
            for chosen in tracked("classifier", steps):
                logits = self._features(images[chosen]).logits
                # Label smoothing: without it, features keep growing once the data are fitted.
                loss = F.cross_entropy(logits, labels[chosen], label_smoothing=0.1)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
        return self.freeze()

    def accuracy(
        self, images: UInt8[Tensor, "n channel height width"], labels: Int[Tensor, " n"]
    ) -> float:
        """Fraction of pictures whose label has the largest logit."""
        predicted = torch.cat([self(part).logits.argmax(1) for part in images.split(1000)])
        return (predicted == labels).double().mean().item()

    def _write(self, path: Path) -> None:
        # Several ranks may train the same classifier: each moves a complete file into place.
        metadata = {"protocol": json.dumps(self.protocol)}
        write_whole(path, lambda part: save_file(self.state_dict(), part, metadata))

    def _read(self, path: Path) -> "Classifier":
        try:
            with safe_open(path, framework="pt") as file:
                self.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
                self.protocol = json.loads(file.metadata()["protocol"])
        except (SafetensorError, RuntimeError, KeyError, TypeError) as error:
            raise ValueError(f"{path} is damaged, delete it to train anew: {error}") from error
        return self


def _norm(channels: int) -> tuple[nn.Module, nn.Module]:
    return nn.BatchNorm2d(channels), nn.SiLU()


def _split(data: DataModule, split: str) -> tuple[Tensor, Tensor]:
    """Pictures of a split, as bytes, and their labels."""
    batches = [(to_uint8(b["x"]), b["label"]) for b in data.ordered_batches(split, 1000)]
    images, labels = zip(*batches, strict=True)
    return torch.cat(images), torch.cat(labels)
