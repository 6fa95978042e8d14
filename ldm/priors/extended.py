"""A prior of windows that draws longer clips without having been trained to.

Source: Ho et al., "Video Diffusion Models", 2022, section 3.1, which calls it replacement.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from ldm.conditioning import Conditioning
from ldm.objectives import Objective
from ldm.priors.windowed import Windowed
from ldm.processes import Process
from ldm.randomness import Generators, uniform
from ldm.samplers import Guidance, Inpainting, Sampler

__all__ = ["Extended"]


class Extended(Windowed):
    """Goes on with a clip by windows that keep the last latents of the one before.

    It is trained as a `Denoiser` of windows is, and takes the weights of one. Each window after the
    first is drawn by a sampler that is led to the latents it has in common with the window before,
    see `Inpainting`; a window is told nothing else of those before it.

    Args:
        backbone: network of one window, see `Denoiser`.
        process: of the latents of one window, `(channels, length, ...)`.
        objective: defines the backbone's prediction target and loss.
        conditioning: conditions of a clip, which all its windows are told.
        windows: lengths of a window that a clip has.
        overlap: latents, along the first axis behind the channels, that a window has in common with
            the one before.
        resamplings: see `Inpainting`; each costs as much as drawing a window once more.

    Raises:
        ValueError: the objective does not support the process, the space is no grid of reals, or
            windows would not go on, or have nothing in common.
    """

    def __init__(
        self,
        backbone: nn.Module,
        process: Process,
        objective: Objective,
        conditioning: Conditioning | None = None,
        windows: int = 1,
        overlap: int = 1,
        resamplings: int = 2,
    ) -> None:
        super().__init__(backbone, process, objective, conditioning, windows)
        length = process.space.shape[1]
        if not 0 < overlap < length:
            raise ValueError(
                f"windows of {length} latents have 1 to {length - 1} in common, got {overlap}"
            )
        self.overlap, self.resamplings = overlap, resamplings

    def loss(
        self,
        latent: Float[Tensor, "n ..."],
        condition: dict[str, Tensor],
        generator: Generators = None,
    ) -> dict[str, Float[Tensor, " n"]]:
        """Loss of a random window of each clip."""
        windows = torch.stack(latent.chunk(self.windows, 2), 1)
        number = (uniform((len(latent),), generator, latent.device) * self.windows).long()
        rows = torch.arange(len(latent), device=latent.device)
        return super().loss(windows[rows, number], condition, generator)

    def sample(
        self,
        n: int,
        condition: dict[str, Tensor],
        sampler: Sampler | None,
        generator: Generators = None,
        guidance: Guidance | None = None,
    ) -> Float[Tensor, "n ..."]:
        """Draw latents of `n` clips; longer ones begin as shorter ones.

        Raises:
            ValueError: as for `Denoiser.sample`, or the process cannot be led to given latents.
        """
        length = self.process.space.shape[1]
        latent = super().sample(n, condition, sampler, generator, guidance)
        calls, ahead = self.network_calls, length - self.overlap
        while sampler is not None and latent.shape[2] < self.windows * length:
            last = latent[:, :, -self.overlap :]
            known = torch.cat([last, torch.zeros_like(latent[:, :, :ahead])], 2)
            kept = torch.zeros_like(known[:1, :1], dtype=torch.bool)
            kept[:, :, : self.overlap] = True
            led = Inpainting(sampler, known, kept, self.resamplings)
            window = super().sample(n, condition, led, generator, guidance)
            latent = torch.cat([latent, window[:, :, self.overlap :]], 2)
            calls += self.network_calls
        self.network_calls = calls
        return latent[:, :, : self.windows * length]

    def _bind(self, x: Tensor, condition: dict[str, Tensor]) -> tuple[Process, Tensor]:
        """Bind the process to a window's context.

        Raises:
            ValueError: the points are clips of several windows, which only `sample` draws.
        """
        length = self.process.space.shape[1]
        if x.shape[2] != length:
            raise ValueError(
                f"an Extended prior knows windows of {length} latents one by one, and how it draws "
                f"longer clips has no density and no inverse: give clips of one window "
                f"(data.frames=...), or train ldm.priors.Successive; got {x.shape[2]} latents"
            )
        return super()._bind(x, condition)
