"""A prior of clips of which some frames may be given.

Source: He et al., "Latent Video Diffusion Models for High-Fidelity Long Video Generation", 2022,
section 3.3 (masks, conditional latent perturbation, unconditional guidance).
"""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from ldm.conditioning import Conditioning, WithFrames
from ldm.objectives import Objective, Regression
from ldm.priors.denoiser import Denoiser
from ldm.processes import GaussianDiffusion, Process
from ldm.randomness import Generators, uniform
from ldm.samplers import Guidance, Inpainting, Sampler

__all__ = ["FrameConditional"]


class FrameConditional(Denoiser):
    """Draws clips, also ones that go on from, or go between, frames that are given.

    Given latents are noised, to a level that the network is told: at random in training, since the
    latents that it goes on from when sampling are drawn ones with errors (conditional latent
    perturbation). Some clips of a batch are given frames, others none, so that one network is
    conditional and unconditional, and guidance extrapolates from one to the other. The loss is that
    of all frames: the noise of a given frame is to be predicted, too.

    While samples are drawn, the noise of given frames falls with that of the others, as that of
    their own latents does, which is what the unconditional prediction reads.

    Without noise levels, frames are given as they are, beside the noisy clip, all of whose noise is
    then to be predicted (as MagicVideo interpolates between key frames).

    Args:
        backbone: `backbone(noisy, t, frames=..., frames_given=..., frames_level=..., **condition)`,
            see `WithFrames`; noised frames that are given replace noisy ones.
        process: a diffusion in steps, of latents `(channels, frames, ...)`.
        objective: regression on the noise, whose level differs between frames.
        conditioning: conditions of a clip.
        places: positions of the frames that are given together; negative ones count from the end.
        chance: probability that a training clip is given them.
        levels: number of noise levels, from 0, at which training noises given frames; None for
            frames that are given as they are.
        level: that at which sampling does, if there are levels.

    Raises:
        ValueError: the process does not run in steps, or not in as many as there are levels; the
            objective is another; `chance` is no probability; or `level` is not one of the levels.
    """

    process: GaussianDiffusion
    objective: Regression

    def __init__(
        self,
        backbone: nn.Module,
        process: Process,
        objective: Objective,
        conditioning: Conditioning | None = None,
        places: Sequence[int] = (0,),
        chance: float = 0.5,
        levels: int | None = 250,
        level: int = 100,
    ) -> None:
        noised = levels is not None
        level, levels = (level, levels) if noised else (0, 1)
        if not isinstance(process, GaussianDiffusion) or not 0 <= level < levels <= process.steps:
            raise ValueError(
                f"given frames are noised to one of the steps of a GaussianDiffusion: got level="
                f"{level} of levels={levels}, of a {type(process).__name__}"
            )
        regresses = isinstance(objective, Regression) and objective.coupling is None
        if not regresses or objective.target != "eps":
            raise ValueError(
                "frames have different noise levels, so that their independent noise alone can be "
                "predicted: set the objective to ldm.objectives.Regression with target=eps"
            )
        if not 0 <= chance <= 1:
            raise ValueError(f"frames are given with a probability in [0, 1], got {chance}")
        super().__init__(backbone, process, objective, WithFrames(conditioning or Conditioning()))
        self.chance, self.noised, self.levels, self.level = chance, noised, levels, level
        self.given = torch.zeros(process.space.shape[1], dtype=torch.bool, device="cpu")
        self.given[list(places)] = True

    def loss(
        self,
        latent: Float[Tensor, "n c t ..."],
        condition: dict[str, Tensor],
        generator: Generators = None,
    ) -> dict[str, Float[Tensor, " n"]]:
        n, device, process = len(latent), latent.device, self.process
        chance, height = uniform((n, 2), generator, device).unbind(1)
        given = (chance < self.chance)[:, None] & self.given.to(device)
        level = (height * self.levels).long().clamp(max=self.levels - 1)
        t = process.random_times(n, generator, device)
        eps, eps_given = (
            process.space.random(n, generator, device, latent.dtype) for _ in range(2)
        )
        frames = process.mix(latent, eps_given, level) if self.noised else latent
        told = {**condition, "frames": frames, "frames_given": given, "frames_level": level}
        told = self.conditioning.drop(self.conditioning.read(told), generator)
        noisy = process.mix(latent, eps, t)
        output = self.backbone(noisy, t, **told)
        target = torch.where(_at_frames(given, latent) & self.noised, eps_given, eps)
        return {"loss": self.objective.squared_error(output, process, latent, target, noisy, t)}

    def complete(
        self,
        frames: Float[Tensor, "n c t ..."],
        given: Bool[Tensor, " t"],
        condition: dict[str, Tensor],
        sampler: Sampler | None,
        generator: Generators = None,
        guidance: Guidance | None = None,
    ) -> Float[Tensor, "n c t ..."]:
        """Draw normalised latents of clips some of whose frames are given.

        Args:
            frames: normalised latents; those of other frames count for nothing.
            given: which frames are given; they are returned as they are.
            condition, sampler, generator, guidance: as for `sample`.

        Raises:
            ValueError: as for `sample`.
            Unsolved: as for `sample`.
        """
        n = len(frames)
        level = torch.full((n,), self.level, device=frames.device)
        told = {
            **condition,
            "frames": self.process.noise(frames, level, generator) if self.noised else frames,
            "frames_given": given.expand(n, -1),
            "frames_level": level,
        }
        if sampler is not None:
            kept = _at_frames(given[None], frames)
            sampler = Inpainting(sampler, frames, kept, resamplings=0)
        return self.sample(n, told, sampler, generator, guidance)


def _at_frames(given: Bool[Tensor, "n t"], latent: Tensor) -> Bool[Tensor, "n 1 t ..."]:
    """Shape a mask of frames so that it broadcasts to latents."""
    return given.view(len(given), 1, -1, *[1] * (latent.ndim - 3))
