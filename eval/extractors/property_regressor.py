"""A regressor of a property of molecules, by which conditional samples are judged.

Source: Hoogeboom et al., "Equivariant diffusion for molecule generation in 3D", 2022, section 5.2:
an invariant EGNN, trained on the half of the training molecules that the generator never sees. It
is trained at first use, or read from a file of weights.
"""

import json
import math
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from jaxtyping import Float, Float64
from torch import Tensor, nn

from data import Batch, DataError, Molecules
from data.files.cache import content_key
from data.files.whole import write_whole
from data.molecules.requests import Scale
from ldm import distributed
from ldm.hub import weights
from ldm.hub.weights import BadCheckpoint
from ldm.networks.molecules.egnn_regressor import EGNNRegressor
from ldm.progress import progress

__all__ = ["PropertyRegressor", "Settings"]

FASTER = ("gap", "homo", "lumo")  # properties that are learned at twice the rate, as published
KEEP = 1000  # steps between two states that an interrupted training goes on from


@dataclass(frozen=True)
class Settings:
    """Settings of the network and its training, by default as published.

    Attributes:
        width, depth: of the network.
        samples: training molecules, counted with repetition: 1,000 epochs of 50,000.
        batch: molecules per step.
        seed: of the initial weights.
    """

    width: int = 128
    depth: int = 7
    samples: int = 50_000_000
    batch: int = 96
    seed: int = 0


class PropertyRegressor(nn.Module):
    """Predicts a property of molecules from types and positions of their atoms.

    Use `PropertyRegressor.trained`, or `read`: the constructor alone gives random weights.

    Args:
        target: name of the property.
        elements: symbols in the order of the types.
        scale: normalisation of the property that the network learns.
        settings: of network and training.
    """

    def __init__(
        self, target: str, elements: Sequence[str], scale: Scale, settings: Settings | None = None
    ) -> None:
        super().__init__()
        self.settings = settings = settings or Settings()
        self.target, self.elements, self.scale = target, tuple(elements), scale
        self.trained_on = "nothing"
        with torch.random.fork_rng(devices=[]):  # does not change the caller's random state
            torch.manual_seed(settings.seed)
            self.network = EGNNRegressor(len(self.elements), settings.width, settings.depth)
        self.requires_grad_(False)

    @property
    def protocol(self) -> dict[str, str | int | float]:
        """Everything that affects scores: the property, the network and its training."""
        facts = {"property": self.target, "trained_on": self.trained_on}
        return facts | {f"regressor_{key}": value for key, value in asdict(self.settings).items()}

    @torch.no_grad()
    def forward(self, batch: Batch) -> Float64[Tensor, " b"]:
        """Predict the property of molecules, in physical units."""
        mean, mad = self.scale
        return self._normalised(batch).double() * mad + mean

    def _normalised(self, batch: Batch) -> Float[Tensor, " b"]:
        x = batch["x"]
        return self.network(x[..., 3 : 3 + len(self.elements)], x[..., :3], batch["mask"])

    @classmethod
    def trained(
        cls, data: Molecules, cache: str | os.PathLike[str], settings: Settings | None = None
    ) -> "PropertyRegressor":
        """Load the regressor of a set's property from the cache, or train it and cache it.

        It is trained on this process's device, in float32; an interrupted training goes on where
        its state was last kept. Of several ranks each trains the same network, so that none waits
        for hours, and all read one file.

        Args:
            data: with a property; its train split is learned.
            cache: folder of trained regressors; created if it is missing.
            settings: of network and training.

        Raises:
            BadCheckpoint, DataError: what is in the cache is damaged.
        """
        path = cls.path(data, cache, settings)
        if distributed.anywhere(not path.is_file()):
            model = cls(str(data.target), data.elements, data.scale, settings)
            model.to(distributed.device()).fit(data, path.with_suffix(".ckpt"))
            model.trained_on = f"{data.name} {data.fingerprint}"
            facts = {"elements": model.elements, "scale": model.scale, **model.protocol}
            weights.save(path, model, facts)
            path.with_suffix(".ckpt").unlink(missing_ok=True)
            distributed.barrier()
        return cls.read(path)

    @staticmethod
    def path(
        data: Molecules, cache: str | os.PathLike[str], settings: Settings | None = None
    ) -> Path:
        """Name the file of a set's regressor, which `trained` writes."""
        identity = {"data": data.fingerprint, **asdict(settings or Settings())}
        key = content_key(json.dumps(identity, sort_keys=True))
        return Path(cache) / f"{data.target}-{key}.safetensors"

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> "PropertyRegressor":
        """Read a regressor that `trained` wrote, onto this process's device.

        Raises:
            BadCheckpoint: the file is missing, damaged, or holds something else.
        """
        path = Path(path)
        facts = weights.read_facts(path)
        try:
            settings = Settings(**{key: facts[f"regressor_{key}"] for key in asdict(Settings())})
            made = cls(facts["property"], facts["elements"], Scale(*facts["scale"]), settings)
            made.trained_on = facts["trained_on"]
        except KeyError as error:
            raise BadCheckpoint(
                f"{path} is no regressor of a property, since it says nothing of {error}: give a "
                f"file that an evaluation with scorers=[property] has trained"
            ) from error
        weights.load(path, made)
        return made.to(distributed.device())

    def fit(self, data: Molecules, kept: Path) -> None:
        """Train on a set: mean absolute error, Adam, rate falling to zero as a cosine.

        Args:
            data: with a property.
            kept: file of the state that training goes on from, written as it proceeds.
        """
        samples, batch = self.settings.samples, self.settings.batch
        rate = 1e-3 if self.target in FASTER else 5e-4
        self.network.requires_grad_(True)
        optimizer = torch.optim.Adam(self.network.parameters(), rate, weight_decay=1e-16)
        seen = self._resume(kept, optimizer)
        device = next(self.parameters()).device
        with progress(f"regressor of {self.target}", samples) as advance, torch.enable_grad():
            advance(seen)
            for step, one in enumerate(data.train_batches(seen, samples, 0, 1, batch), 1):
                falling = (1 + math.cos(math.pi * seen / samples)) / 2
                optimizer.param_groups[0]["lr"] = rate * falling
                one = {key: value.to(device) for key, value in one.items()}
                loss = (self._normalised(one) - one["property"][:, 0]).abs().mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                seen += batch
                advance(batch)
                if step % KEEP == 0:
                    state = {"network": self.network.state_dict(), "seen": seen}
                    state["optimizer"] = optimizer.state_dict()
                    write_whole(kept, lambda part, state=state: torch.save(state, part))
        self.requires_grad_(False)

    def _resume(self, kept: Path, optimizer: torch.optim.Optimizer) -> int:
        """Load the state that an earlier training kept, if there is one; samples it had seen."""
        if not kept.is_file():
            return 0
        try:
            state = torch.load(kept, map_location="cpu", weights_only=True)
            self.network.load_state_dict(state["network"])
            optimizer.load_state_dict(state["optimizer"])
            return state["seen"]
        except Exception as error:  # pickle, zip and torch each raise their own kinds
            raise DataError(f"{kept} is damaged ({error}): delete it to train anew") from error
