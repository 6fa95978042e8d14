"""A prior of long clips, which draws sparse frames and then fills the gaps between them.

Source: He et al., "Latent Video Diffusion Models for High-Fidelity Long Video Generation", 2022,
section 3.3.
"""

import copy
from collections.abc import Mapping
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ldm.conditioning import Conditioning
from ldm.objectives import Objective
from ldm.priors.frame_conditional import FrameConditional
from ldm.priors.prior import Prior
from ldm.processes import Process
from ldm.randomness import Generators, uniform
from ldm.samplers import Guidance, Sampler
from ldm.spaces import Flat, Space

__all__ = ["Hierarchy"]

BETWEEN = 3
"""Latents that are filled in between two keys, as published."""

STRIDE = BETWEEN + 1


class Hierarchy(Prior):
    """Draws every fourth latent of a clip, window after window, and fills in the three between.

    The prediction network draws a window of key latents, four as published: the first one given
    none, each that follows given the last key of the one before. The interpolation network, given
    two keys that follow each other, draws the latents between them. Both are networks of windows,
    so the length of clips changes nothing that is learned, and the memory is that of one window,
    whatever the length: a clip of `z` latents has `ceil((z + 3) / 4)` keys, which take
    `ceil((keys - 4) / 3)` windows after the first. A longer clip begins as a shorter one does.

    The networks are trained side by side, on windows of the same clips; neither's loss depends on
    the other's weights, so with an optimizer that treats numbers one by one, as Adam does, each is
    trained as if alone. Published hyperparameters are the defaults, but one thing: the released
    script fills in a third of the gaps and cuts its clips short. Here all gaps are filled in.

    Args:
        prediction: network of a window of keys, see `FrameConditional`.
        interpolation: network of 5 latents.
        process: of latents of a clip, `(channels, length, ...)`.
        objective: of both.
        conditioning: conditions of a clip, which all its windows are told.
        first: probability that a training window of keys is given the first; 0 for a network that
            draws the keys of a whole clip, and no longer ones (as MagicVideo's).
        ends: probability that a training window of 5 latents is given the first and the last.
        levels, level: see `FrameConditional`.
        keys: latents of a window of keys.

    Raises:
        ValueError: as for `FrameConditional`, or the latents are no grid, or are more than a window
            of keys reaches over that is never given one; in training, clips are shorter than that.
    """

    conditioning: Conditioning  # ty: ignore[incompatible-mutable-override]  never None here

    def __init__(
        self,
        prediction: nn.Module,
        interpolation: nn.Module,
        process: Process,
        objective: Objective,
        conditioning: Conditioning | None = None,
        first: float = 0.5,
        ends: float = 0.9,
        levels: int | None = 250,
        level: int = 100,
        keys: int = 4,
    ) -> None:
        super().__init__()
        if not isinstance(process.space, Flat) or len(process.space.shape) < 2:
            raise ValueError(f"latents follow each other on grids of reals, not in {process.space}")
        self.window, self.reach = keys, (keys - 1) * STRIDE + 1
        if not first and process.space.shape[1] > self.reach:
            raise ValueError(
                f"keys are drawn given none (first=0), so that clips have at most {self.reach} "
                f"latents, found {process.space}: ask for fewer frames, data.frames=..."
            )
        self.clips, self.conditioning = process.space, conditioning or Conditioning()
        common = objective, self.conditioning
        sparse, between = (_of_window(process, frames) for frames in (keys, STRIDE + 1))
        self.keys = FrameConditional(prediction, sparse, *common, (0,), first, levels, level)
        self.between = FrameConditional(
            interpolation, between, *common, (0, -1), ends, levels, level
        )

    @property
    def space(self) -> Space:
        """Space of the latents of a clip."""
        return self.clips

    def loss(
        self,
        latent: Float[Tensor, "n ..."],
        condition: dict[str, Tensor],
        generator: Generators = None,
    ) -> dict[str, Float[Tensor, " n"]]:
        n, length = len(latent), latent.shape[2]
        if length < self.reach:
            raise ValueError(
                f"{self.window} keys reach over {self.reach} latents, and clips have {length}: "
                f"train on longer ones, data.frames=..."
            )
        keys = latent[:, :, : self.reach : STRIDE]
        last = length - (STRIDE + 1)
        start = (uniform((n,), generator, latent.device) * (last + 1)).long().clamp(max=last)
        places = start[:, None] + torch.arange(STRIDE + 1, device=latent.device)
        rows = torch.arange(n, device=latent.device)[:, None]
        window = latent.movedim(2, 1)[rows, places].movedim(1, 2)
        return {
            "prediction": self.keys.loss(keys, condition, generator)["loss"],
            "interpolation": self.between.loss(window, condition, generator)["loss"],
        }

    def sample(
        self,
        n: int,
        condition: dict[str, Tensor],
        sampler: Sampler | None,
        generator: Generators = None,
        guidance: Guidance | None = None,
    ) -> Float[Tensor, "n ..."]:
        """Draw `n` normalised latents of clips, of the length of `space`.

        Raises:
            ValueError: as for `Denoiser.sample`.
            Unsolved: as for `Denoiser.sample`.
        """
        condition = self.conditioning.read(condition)
        how = condition, sampler, generator, guidance
        length, calls = self.clips.shape[1], 0
        keys = self.keys.sample(n, *how)
        latents, missing = [keys[:, :, :1]], length - 1
        while True:
            calls += self.keys.network_calls
            for pair in pairwise(keys.split(1, 2)):
                if missing > 0:
                    latents.append(self._filled(pair, *how))
                    missing -= STRIDE
                    calls += self.between.network_calls
            if missing <= 0:
                break
            keys = self._following(keys[:, :, -1:], *how)
        self.network_calls = calls
        return torch.cat(latents, 2)[:, :, :length]

    def starting(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Give both networks the weights of a prior of one, such as one of images."""
        found = {}
        for key, x in state.items():
            places = ("keys.", "between.") if key.startswith("backbone.") else ("",)
            found |= {place + key: x for place in places}
        return found

    def brief(self) -> "Hierarchy":
        brief = copy.copy(self)
        brief.conditioning = self.conditioning.brief()
        brief._modules = {"keys": self.keys.brief(), "between": self.between.brief()}
        return brief

    def example(self, n: int) -> dict[str, Tensor]:
        return self.conditioning.example(n)

    def rehearse(
        self, condition: dict[str, Tensor], sampler: Sampler | None, guidance: Guidance | None
    ) -> None:
        for prior in (self.keys, self.between):
            prior.rehearse(condition, sampler, guidance)

    def _following(self, key: Float[Tensor, "n c 1 ..."], *how) -> Float[Tensor, "n c keys ..."]:
        """The window of keys that begins with this one."""
        rest = key.new_zeros(*key.shape[:2], self.window - 1, *key.shape[3:])
        frames = torch.cat([key, rest], 2)
        return self.keys.complete(frames, self.keys.given.to(key.device), *how)

    def _filled(self, pair: tuple[Tensor, Tensor], *how) -> Float[Tensor, "n c stride ..."]:
        """The latents between two keys, and the second key."""
        first, last = pair
        gap = first.new_zeros(*first.shape[:2], BETWEEN, *first.shape[3:])
        frames = torch.cat([first, gap, last], 2)
        return self.between.complete(frames, self.between.given.to(first.device), *how)[:, :, 1:]


def _of_window(process: Process, frames: int) -> Process:
    """The same process on windows of so many frames."""
    channels, _, *grid = process.space.shape
    window = copy.copy(process)
    window.space = Flat([channels, frames, *grid])
    return window
