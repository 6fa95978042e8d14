"""ChemNet's features of molecules, for the Fréchet ChemNet distance.

Source: Preuer et al., "Fréchet ChemNet distance: a metric for generative models for molecules in
drug discovery", 2018. ChemNet reads SMILES letter by letter; its authors publish its weights with
the code of the package `fcd`, and no description that its letters and layers could be built from
with certainty. So what is read is the network itself, as a TorchScript file.
"""

import os
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from data.files.download import digest
from ldm.hub.published import fetch
from ldm.hub.weights import BadCheckpoint, read_script

__all__ = ["ChemNet"]

PROBES = ["C", "c1ccccc1O"]  # two molecules that a network must tell apart


class ChemNet(nn.Module):
    """A network from SMILES to features, from a TorchScript file.

    The file holds a module with `forward(smiles: List[str]) -> Tensor`, of canonical SMILES without
    hydrogens to float features `(n, size)`, those of ChemNet's last layer but one: 512. It reads
    letters as the network was trained to, pads them, and is in evaluation mode:

        class Exported(torch.nn.Module):
            def forward(self, smiles: List[str]) -> torch.Tensor: ...

        torch.jit.script(Exported().eval()).save("chemnet.pt")

    Args:
        file: of the network; by default `chemnet.pt` in the cache of weights.

    Raises:
        BadCheckpoint: it is missing, damaged, or a network of another kind.
    """

    def __init__(self, file: str | os.PathLike[str] | None = None) -> None:
        super().__init__()
        path = fetch("chemnet", file)
        self.network = read_script(path)
        try:
            found = self(PROBES)
        except (RuntimeError, TypeError, AttributeError) as error:
            raise BadCheckpoint(
                f"{path} does not map a list of SMILES to features (n, size): {error}"
            ) from error
        if found.ndim != 2 or len(found) != len(PROBES) or not found.isfinite().all():
            raise BadCheckpoint(
                f"{path} gives features of shape {tuple(found.shape)} for {len(PROBES)} SMILES, or "
                f"numbers that are not finite: export the network again"
            )
        self.feature_size = found.shape[1]
        self.protocol = {"extractor": "ChemNet", "weights": digest(path)[:8]}
        self.requires_grad_(False)

    @torch.no_grad()
    def forward(self, smiles: Sequence[str]) -> Float[Tensor, "n size"]:
        """Features of molecules, from canonical SMILES without hydrogens."""
        return self.network(list(smiles))
