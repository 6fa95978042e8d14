"""Errors of the property that molecules were asked for, as a regressor predicts it, and bounds."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float64
from omegaconf import OmegaConf
from torch import Tensor

from data import Molecules
from data.files.roots import cache_folder
from data.files.whole import check_writable
from data.order import permutation
from eval.extractors.property_regressor import PropertyRegressor, Settings
from eval.metrics.molecules import by_count
from eval.record import Record
from eval.scorers.drawn import drawn_samples
from eval.scorers.scorer import BatchedScorer, check_samples, to_device
from ldm import distributed
from ldm.config.compose import ConfigError
from ldm.hub.weights import BadCheckpoint
from ldm.progress import tracked
from ldm.run.parts import Parts

__all__ = ["PropertyErrors"]


@dataclass
class PropertyErrors(BatchedScorer):
    """Mean absolute errors of a property, in its unit, by a regressor that never saw the data.

    `property_mae`, between what samples were asked for and what the regressor predicts of them.
    Beside it, of the train split: `property_mae_floor`, between its properties and predictions,
    which no model needs to beat; `property_mae_shuffled`, with the properties in another order, of
    a model that ignores what it is asked for; `property_mae_atoms`, of predictions from numbers of
    atoms alone. Source: Hoogeboom et al. (2022), section 5.2.

    Attributes:
        samples: number of samples.
        regressor: file of a regressor that an evaluation has trained and cached; None to train it
            at first use, on molecules that the model was not trained on.
        regressor_samples: training molecules of that, by default as published.

    Raises:
        ValueError: a number is out of range.
    """

    batch_size: int = 100
    samples: int = 10_000
    regressor: str | None = None
    regressor_samples: int = Settings.samples

    def __post_init__(self) -> None:
        super().__post_init__()
        check_samples(self.samples)
        if self.regressor_samples < Settings.batch:
            raise ValueError(
                f"regressor_samples must be {Settings.batch} or more, got {self.regressor_samples}"
            )

    def check(self, parts: Parts) -> None:
        data, prior = parts.data, parts.stage
        if not isinstance(data, Molecules) or data.target is None:
            raise ConfigError(
                f"{data.name} has no property to be asked for: take property out of eval.scorers, "
                f"or choose one, data.property=..."
            )
        if prior is not None and "property" not in (parts.config[prior].get("conditioning") or ()):
            raise ConfigError(
                f"samples of this {prior} are not asked for a property: take property out of "
                f"eval.scorers, or train a {prior} with conditioning.property"
            )
        try:
            data.regression_set()
            if self.regressor is None:
                check_writable(_folder() / "a regressor")
            else:
                _read(self.regressor, data)
        except ValueError as error:
            raise ConfigError(f"property errors cannot be measured: {error}") from error

    @torch.no_grad()
    def score(self, parts: Parts, record: Record) -> None:
        data, n = parts.data, len(parts.data.train_dataset)
        model = self._build(data)
        seen = self._predict(model, self.batches(data, "train"), n)
        record.add(self._bounds(data, seen), split="train", n=n, seed=self.seed, **model.protocol)
        if parts.prior is None:
            return
        batch = drawn_samples(parts, record, self.samples, self.seed, self.batch_size)
        mine = torch.arange(self.samples)[distributed.rank() :: distributed.world()]
        shares = [{k: x[rows] for k, x in batch.items()} for rows in mine.split(self.batch_size)]
        predicted = self._predict(model, shares, self.samples)
        asked = torch.from_numpy(data.scale.invert(batch["property"]))
        protocol = {
            "n": self.samples,
            "asked": "numbers of atoms as in the train split, properties given these",
            "sampler": OmegaConf.to_container(parts.config.sampler),
            "network_calls": parts.prior.network_calls,
            "guidance": OmegaConf.to_container(parts.config.guidance),
            "seed": self.seed,
        }
        mae = (predicted - asked).abs().mean()
        record.add({"property_mae": mae}, **protocol, **model.protocol)

    def _bounds(
        self, data: Molecules, predicted: Float64[Tensor, " n"]
    ) -> dict[str, Float64[Tensor, ""]]:
        """Errors on the train split: of predictions, with shuffled properties, and of counts."""
        values, others = data.properties_of("train"), data.regression_set()
        sizes = others.train_dataset.sizes, data.train_dataset.sizes
        counts = torch.from_numpy(by_count(others.properties_of("train"), *sizes))
        shuffled = torch.from_numpy(values[permutation(len(values), self.seed)])
        true = torch.from_numpy(values)
        return {
            "property_mae_floor": (predicted - true).abs().mean(),
            "property_mae_shuffled": (predicted - shuffled).abs().mean(),
            "property_mae_atoms": (counts - true).abs().mean(),
        }

    def _predict(self, model: PropertyRegressor, batches: Any, n: int) -> Float64[Tensor, " n"]:
        """Predictions of all ranks' shares of n molecules, in order, on every rank."""
        found = [model(to_device(batch)).cpu() for batch in tracked("properties", batches)]
        return distributed.interleave(torch.cat([torch.empty(0).double(), *found]), n)

    def _build(self, data: Molecules) -> PropertyRegressor:
        if self.regressor is not None:
            return _read(self.regressor, data)
        settings = Settings(samples=self.regressor_samples)
        return PropertyRegressor.trained(data.regression_set(), _folder(), settings)


def _folder() -> Path:
    """Folder of trained regressors."""
    return cache_folder() / "regressors"


def _read(file: str, data: Molecules) -> PropertyRegressor:
    """Read a regressor of a set's property.

    Raises:
        BadCheckpoint: it is missing or damaged, or of another property or other elements.
    """
    model = PropertyRegressor.read(file)
    found, asked = (model.target, model.elements), (data.target, tuple(data.elements))
    if found != asked:
        raise BadCheckpoint(
            f"{file} predicts {found[0]} of molecules of {', '.join(found[1])}, and the run's are "
            f"of {', '.join(asked[1])} and asked for {asked[0]}: give the regressor of these"
        )
    return model
