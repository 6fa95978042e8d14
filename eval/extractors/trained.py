"""The base class of small networks that are trained on the evaluated data, as feature extractors.

They serve where published networks do not fit or are not here. Each is trained at first use and
cached. Its scores rank models of one dataset; they are not comparable with published numbers.
"""

import json
import math
import os
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar, TypeVar

import torch
from jaxtyping import Float, Int, UInt8
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from data import DataModule
from data.files.cache import content_key
from data.files.whole import write_whole
from eval.extractors.extractor import Extractor, Features
from eval.metrics.pixels import to_uint8
from ldm.progress import tracked

__all__ = ["Settings", "TrainedExtractor"]

READ = 100  # samples of a split read at once

Kind = TypeVar("Kind", bound="TrainedExtractor")


@dataclass(frozen=True)
class Settings:
    """Settings of a network and its training; with the data they identify the cached file.

    Attributes:
        feature_size: width of the layer before the logits.
        width: channels of the first convolution.
        samples: training samples, counted with repetition.
        batch: samples per step.
        learning_rate: maximum of a one-cycle schedule.
        seed: seed of the initial weights and of the order of the samples.
    """

    feature_size: int = 64
    width: int = 32
    samples: int = 40_000
    batch: int = 64
    learning_rate: float = 3e-3
    seed: int = 0


class TrainedExtractor(Extractor):
    """A network of one dataset that is trained at first use.

    Use `trained`, or `fit`: the constructor alone gives random weights.

    Args:
        shape: of one `x`: channels, frames if there are any, height and width.
        classes: number of classes; 0 without labels.
        settings: of network and training.
    """

    default: ClassVar[Settings] = Settings()
    """Settings where none are given."""

    needs_labels: ClassVar[bool] = True
    """False where the network learns from data without labels, too."""

    def __init__(
        self, shape: Sequence[int], classes: int, settings: Settings | None = None
    ) -> None:
        super().__init__()
        self.shape, self.classes = tuple(shape), classes
        self.settings = settings = settings or self.default
        self.feature_size = settings.feature_size
        self.protocol = {
            "extractor": self.name,
            "feature_size": settings.feature_size,
            "classifier_seed": settings.seed,
        }

    def forward(self, images: UInt8[Tensor, "batch channel *frames height width"]) -> Features:
        if images.shape[1:] != self.shape:
            raise ValueError(
                f"this {self.name} is for x of shape {self.shape}, got {tuple(images.shape[1:])}"
            )
        return self._seen(images)

    def _seen(self, images: UInt8[Tensor, "batch channel *places"]) -> Features:
        with torch.no_grad(), torch.autocast(images.device.type, enabled=False):
            return self._features(self._prepared(images))

    def _prepared(self, images: UInt8[Tensor, "n channel *places"]) -> UInt8[Tensor, "n ..."]:
        """Reduce pixels to those that the network reads; what is prepared stays as it is."""
        return images

    @abstractmethod
    def _features(self, images: UInt8[Tensor, "n channel *places"]) -> Features:
        """Compute features and logits of prepared pixels."""

    @abstractmethod
    def _loss(
        self, images: UInt8[Tensor, "n channel *places"], labels: Int[Tensor, " n"]
    ) -> Float[Tensor, ""]:
        """Compute the loss of a training step on prepared pixels."""

    def _judged(
        self, images: UInt8[Tensor, "n channel *places"], labels: Int[Tensor, " n"]
    ) -> dict[str, float]:
        """Measure what the trained network knows of held-out data, for the protocol."""
        return {"accuracy": self.accuracy(images, labels)}

    @classmethod
    def trained(
        cls: type[Kind],
        data: DataModule,
        cache: str | os.PathLike[str],
        settings: Settings | None = None,
    ) -> Kind:
        """Load the network of a dataset from the cache, or train it and cache it.

        It is trained on the CPU on unaugmented samples, all in memory as the network reads them, so
        that the weights depend only on the data, the settings, the machine and its number of
        threads.

        Args:
            data: of pixels in [-1, 1].
            cache: folder of trained networks; created if it is missing.
            settings: of network and training.

        Raises:
            ValueError: the data has no labels and the network needs them, or the cached file is
                damaged.
        """
        if cls.needs_labels and not data.classes:
            raise ValueError(f"{data.name} has no labels to train a {cls.name} on")
        model = cls(data.shape, data.classes, settings)
        path = cls.path(data, cache, model.settings)
        if path.is_file():
            return model._read(path)
        model.fit(*model._split(data, "train"))
        judged = model._judged(*model._split(data, "test"))
        model.protocol |= {
            "trained_on": f"{data.name} {data.fingerprint}",
            **{name: round(value, 4) for name, value in judged.items()},
        }
        model._write(path)
        return model

    @classmethod
    def path(
        cls, data: DataModule, cache: str | os.PathLike[str], settings: Settings | None = None
    ) -> Path:
        """Name the file of a dataset's network, which `trained` writes."""
        identity = {"data": data.fingerprint, **asdict(settings or cls.default)}
        key = content_key(json.dumps(identity, sort_keys=True))
        return Path(cache) / f"{cls.name}-{key}.safetensors"

    def fit(
        self, images: UInt8[Tensor, "n channel *places"], labels: Int[Tensor, " n"]
    ) -> "TrainedExtractor":
        """Train from new initial weights; earlier training is discarded."""
        settings, images = self.settings, self._prepared(images)
        self.requires_grad_(True)
        nn.Module.train(self, True)
        with torch.random.fork_rng(devices=[]):  # does not change the caller's random state
            torch.manual_seed(settings.seed)
            for module in self.modules():
                if hasattr(module, "reset_parameters"):
                    module.reset_parameters()
            epochs = math.ceil(settings.samples / len(images))
            order = torch.cat([torch.randperm(len(images)) for _ in range(epochs)])
        # Only complete batches: batch norm fails on a last batch of one sample.
        steps = order[: settings.samples // settings.batch * settings.batch].split(settings.batch)
        optimizer = torch.optim.AdamW(self.parameters(), settings.learning_rate, weight_decay=0.02)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, settings.learning_rate, total_steps=len(steps)
        )
        with torch.enable_grad(), torch.autocast("cpu", enabled=False):
            for chosen in tracked(self.name, steps):
                loss = self._loss(images[chosen], labels[chosen])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
        return self.freeze()

    def accuracy(
        self, images: UInt8[Tensor, "n channel *places"], labels: Int[Tensor, " n"]
    ) -> float:
        """Fraction of samples whose label has the largest logit."""
        predicted = torch.cat([self._seen(part).logits.argmax(1) for part in images.split(1000)])
        return (predicted == labels).double().mean().item()

    def _split(self, data: DataModule, split: str) -> tuple[Tensor, Tensor]:
        """Samples of a split as the network reads them, and their labels, -1 without."""
        images, labels = [], []
        for batch in data.ordered_batches(split, READ):
            images.append(self._prepared(to_uint8(batch["x"])))
            labels.append(batch.get("label", torch.full_like(batch["index"], -1)))
        return torch.cat(images), torch.cat(labels)

    def _write(self, path: Path) -> None:
        # Several ranks may train the same network: each moves a complete file into place.
        metadata = {"protocol": json.dumps(self.protocol)}
        write_whole(path, lambda part: save_file(self.state_dict(), part, metadata))

    def _read(self: Kind, path: Path) -> Kind:
        try:
            with safe_open(path, framework="pt") as file:
                self.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
                self.protocol = json.loads(file.metadata()["protocol"])
        except (SafetensorError, RuntimeError, KeyError, TypeError) as error:
            raise ValueError(f"{path} is damaged, delete it to train anew: {error}") from error
        return self
