"""Motion of videos, measured from frame to frame by the correlation of frames.

Source: the shift of greatest cross-correlation, as in image registration (Anuta, "Spatial
registration of multispectral and multitemporal digital imagery using fast Fourier transform
techniques", 1970). One shift is measured for a whole frame: that of what stands out of it most.
"""

import torch
from jaxtyping import Float64, Num
from torch import Tensor

__all__ = ["shifts", "speed_distance", "speeds"]

FLAT = 1e-3  # levels: the deviation of pixels below which a frame shows nothing to follow


def shifts(clips: Num[Tensor, "n c t h w"]) -> Float64[Tensor, "n steps 2"]:
    """Measure by how many pixels, down and right, each frame is shifted from the one before.

    Colours are averaged, and the mean of each frame is subtracted. The shift is that of greatest
    correlation, with borders that wrap around, so within half a frame; a parabola through the peak
    and its neighbours refines it to a fraction of a pixel. Frames without contrast do not move.

    Args:
        clips: in any units, at least two frames each.

    Raises:
        ValueError: there is only one frame.

    Example:
        >>> frame = torch.zeros(16, 16)
        >>> frame[4:7, 5:9] = 1
        >>> shifts(torch.stack([frame, frame.roll((2, -1), (0, 1))])[None, None]).tolist()
        [[[2.0, -1.0]]]
    """
    if clips.shape[2] < 2:
        raise ValueError("a clip of one frame does not move: give two frames or more")
    grey = clips.double().mean(1)
    grey = grey - grey.mean((2, 3), keepdim=True)
    size = grey.shape[-2:]
    spectrum = torch.fft.rfft2(grey)
    correlation = torch.fft.irfft2(spectrum[:, 1:] * spectrum[:, :-1].conj(), s=size)
    peak = correlation.flatten(2).argmax(2)
    row, column = peak // size[1], peak % size[1]
    down = _refined(correlation.gather(3, _at(column, size[0])[..., None])[..., 0], row)
    right = _refined(correlation.gather(2, _at(row, size[1])[:, :, None])[:, :, 0], column)
    found = torch.stack([_signed(down, size[0]), _signed(right, size[1])], -1)
    deviation = grey.square().mean((2, 3)).sqrt()
    moves = torch.minimum(deviation[:, 1:], deviation[:, :-1]) > FLAT
    return torch.where(moves[..., None], found, 0.0)


def speeds(clips: Num[Tensor, "n c t h w"]) -> Float64[Tensor, "n steps"]:
    """Measure the length of each of the `shifts`, pixels a frame."""
    return shifts(clips).norm(dim=-1)


def speed_distance(x: Float64[Tensor, "*n"], y: Float64[Tensor, "*m"]) -> Float64[Tensor, ""]:
    """Compute the Wasserstein-1 distance between the histograms of two sets of speeds.

    Returns:
        The distance in the unit of the speeds: what speeds must change by, on average, to be those
        of the other set.

    Example:
        >>> one, two = torch.tensor([1.0, 2.0]).double(), torch.tensor([2.0, 3.0]).double()
        >>> speed_distance(one, two).item()
        1.0
    """
    from scipy.stats import wasserstein_distance

    distance = wasserstein_distance(x.flatten().numpy(), y.flatten().numpy())
    return torch.tensor(distance, dtype=torch.float64)


def _at(index: Tensor, length: int) -> Tensor:
    """Repeat an index `(n, steps)` along a new last axis of this length."""
    return index[:, :, None].expand(-1, -1, length)


def _refined(line: Float64[Tensor, "n steps length"], peak: Tensor) -> Float64[Tensor, "n steps"]:
    """Place the maximum of a line between its points, by the parabola through three of them."""
    length = line.shape[-1]
    before, at, after = (
        line.gather(2, ((peak + step) % length)[..., None])[..., 0] for step in (-1, 0, 1)
    )
    bend = before - 2 * at + after  # negative at a maximum, zero where the line is level
    offset = torch.where(bend < 0, (before - after) / (2 * bend), 0.0)
    return peak + offset.clamp(-0.5, 0.5)


def _signed(shift: Float64[Tensor, "n steps"], length: int) -> Float64[Tensor, "n steps"]:
    """Take shifts beyond half a frame for those the other way around."""
    return (shift + length / 2) % length - length / 2
