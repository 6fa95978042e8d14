"""A small classifier of the data at hand: features for pictures that Inception was not made for.

Handwritten digits are nothing like ImageNet, and Inception needs published weights. A classifier
trained on the labelled training set sees what tells its classes apart, is trained on the spot, and
is kept in a cache. Its scores rank models of one data set; they compare with no published number.
"""

import hashlib
import json
import os
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from jaxtyping import Int, UInt8
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from eval.extractors.extractor import Extractor, Features

__all__ = ["Classifier", "Settings"]


@dataclass(frozen=True)
class Settings:
    """Of the network and its training; together with the data they name the cached file.

    Attributes:
        feature_size: of the layer before the logits.
        width: channels of the first convolution; the others have twice as many.
        samples: pictures shown in training, counted with repetition.
        batch: pictures a step.
        learning_rate: the highest of a one-cycle schedule.
        seed: of the initial weights and the order of the pictures.
    """

    feature_size: int = 64
    width: int = 32
    samples: int = 60_000
    batch: int = 64
    learning_rate: float = 3e-3
    seed: int = 0


class Classifier(Extractor):
    """Convolutions down to a 4 x 4 grid, one linear layer of normalised features, and logits.

    Use `Classifier.trained`; the constructor alone gives random weights.

    Args:
        channels: of a picture.
        side: of a square picture, pixels; 8 to 64 is what it is meant for.
        classes: how many labels there are.
        settings: of network and training.
    """

    name = "classifier"

    def __init__(
        self, channels: int, side: int, classes: int, settings: Settings | None = None
    ) -> None:
        super().__init__()
        self.settings = settings = settings or Settings()
        self.feature_size = settings.feature_size
        self.picture = (channels, side, side)
        self.protocol = {"extractor": "classifier", "features": settings.feature_size}
        width = settings.width
        layers = [nn.Conv2d(channels, width, 3, padding=1, bias=False), *_norm(width)]
        while side > 4:
            wider = 2 * settings.width
            layers += [nn.Conv2d(width, wider, 3, 2, padding=1, bias=False), *_norm(wider)]
            width, side = wider, (side + 1) // 2
        self.convolutions = nn.Sequential(*layers, nn.AdaptiveAvgPool2d(2), nn.Flatten())
        # Normalised and before the non-linearity: features spread over all directions, so that
        # their covariance has full rank and a Fréchet distance has a scale of about feature_size.
        self.features = nn.Sequential(
            nn.Linear(4 * width, settings.feature_size, bias=False),
            nn.BatchNorm1d(settings.feature_size),
        )
        self.head = nn.Linear(settings.feature_size, classes)
        self.freeze()

    def forward(self, images: UInt8[Tensor, "batch channel height width"]) -> Features:
        if images.shape[1:] != self.picture:
            raise ValueError(f"this classifier was trained on pictures of {self.picture}, "
                             f"got {tuple(images.shape[1:])}")  # fmt: skip
        with torch.no_grad(), torch.autocast(images.device.type, enabled=False):
            return self._features(images)

    def _features(self, images: UInt8[Tensor, "batch channel height width"]) -> Features:
        pooled = self.features(self.convolutions(images.float() / 127.5 - 1))
        return Features(pooled, self.head(F.silu(pooled)))

    @classmethod
    def trained(
        cls,
        images: UInt8[Tensor, "n channel side side"],
        labels: Int[Tensor, " n"],
        test_images: UInt8[Tensor, "m channel side side"],
        test_labels: Int[Tensor, " m"],
        *,
        cache: str | os.PathLike[str],
        fingerprint: str,
        settings: Settings | None = None,
    ) -> "Classifier":
        """The classifier of a data set: read from the cache, or trained now and kept there.

        The same data, settings, machine and number of threads give the same weights.

        Args:
            images: of the training split, 0..255.
            labels: of them, from zero.
            test_images: of the test split; the accuracy on them is part of the protocol.
            test_labels: of them.
            cache: folder for trained classifiers; made when missing.
            fingerprint: tells this data set, split and preparation from every other.
            settings: of network and training.

        Raises:
            ValueError: pictures or labels do not fit together, or the cached file is damaged.
        """
        settings = settings or Settings()
        if len(images) != len(labels) or len(test_images) != len(test_labels):
            raise ValueError(
                f"expected a label for each picture, got {len(images)} pictures and {len(labels)} "
                f"labels to train, {len(test_images)} and {len(test_labels)} to test"
            )
        channels, side = images.shape[1:3]
        model = cls(channels, side, int(max(labels.max(), test_labels.max())) + 1, settings)
        identity = {"fingerprint": fingerprint, **asdict(settings), "picture": model.picture}
        key = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]
        path = Path(cache) / f"classifier-{key}.safetensors"
        if path.is_file():
            return model._read(path)
        model._fit(images, labels)
        correct = [
            (model(part).logits.argmax(1) == truth).sum()
            for part, truth in zip(test_images.split(1000), test_labels.split(1000), strict=True)
        ]
        model.protocol |= {
            "data": fingerprint,
            "accuracy": round(int(sum(correct)) / len(test_labels), 4),
            "seed": settings.seed,
        }
        model._write(path)
        return model

    def _fit(self, images: UInt8[Tensor, "n channel side side"], labels: Int[Tensor, " n"]) -> None:
        settings = self.settings
        with torch.random.fork_rng(devices=[]):  # the caller's randomness stays as it was
            torch.manual_seed(settings.seed)
            for module in self.modules():
                if isinstance(module, nn.Linear | nn.Conv2d | nn.BatchNorm1d | nn.BatchNorm2d):
                    module.reset_parameters()
        order = _endless_order(len(images), settings.seed)
        steps = max(settings.samples // settings.batch, 1)
        self.requires_grad_(True)
        nn.Module.train(self, True)
        optimizer = torch.optim.AdamW(self.parameters(), settings.learning_rate, weight_decay=0.02)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, settings.learning_rate, total_steps=steps
        )
        for _ in range(steps):
            chosen = torch.stack([next(order) for _ in range(settings.batch)])
            logits = self._features(images[chosen]).logits
            loss = F.cross_entropy(logits, labels[chosen].long(), label_smoothing=0.1)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        self.freeze()

    def _write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Several ranks may train the same classifier: each moves a whole file into place.
        handle, part = tempfile.mkstemp(dir=path.parent, suffix=".part")
        os.close(handle)
        save_file(self.state_dict(), part, metadata={"protocol": json.dumps(self.protocol)})
        os.replace(part, path)

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


def _endless_order(n: int, seed: int):
    """Indices of pictures, shuffled anew in each epoch."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        yield from torch.randperm(n, generator=generator)
