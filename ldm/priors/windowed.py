"""The base class of priors that draw the latents of a clip window after window."""

from torch import Tensor, nn

from ldm.conditioning import Conditioning
from ldm.objectives import Objective
from ldm.priors.denoiser import Denoiser
from ldm.processes import Process
from ldm.samplers import Guidance, Sampler
from ldm.spaces import Flat, Space

__all__ = ["Windowed"]


class Windowed(Denoiser):
    """A denoiser of windows, whose latents are those of clips of several windows.

    Latents of a clip are those of its windows, one behind another along the first axis behind the
    channels, `(channels, windows * length, ...)`. Network and process are those of one window, so
    the number of windows changes nothing that is learned, and memory is that of one window.
    Subclasses say how a clip is drawn, and which of its windows are learned.

    Args:
        backbone: network of one window, see `Denoiser`.
        process: of the latents of one window.
        objective: defines the backbone's prediction target and loss.
        conditioning: of a window.
        windows: lengths of a window that a clip has.

    Raises:
        ValueError: the objective does not support the process, or the space is not flat.
    """

    def __init__(
        self,
        backbone: nn.Module,
        process: Process,
        objective: Objective,
        conditioning: Conditioning | None = None,
        windows: int = 1,
    ) -> None:
        if not isinstance(process.space, Flat):
            raise ValueError(f"windows follow each other on grids of reals, not in {process.space}")
        super().__init__(backbone, process, objective, conditioning)
        self.windows = windows

    @property
    def space(self) -> Space:
        """Space of the latents of a clip."""
        channels, length, *grid = self.process.space.shape
        return Flat([channels, self.windows * length, *grid])

    def rehearse(
        self, condition: dict[str, Tensor], sampler: Sampler | None, guidance: Guidance | None
    ) -> None:
        """Draw latents of two windows with a network that always outputs zero."""
        windows, self.windows = self.windows, min(self.windows, 2)
        try:
            super().rehearse(condition, sampler, guidance)
        finally:
            self.windows = windows
