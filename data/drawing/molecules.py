"""Pictures of molecules: structural formulas, and atoms in space."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64
from torch.nn.functional import pad

from data.chemistry.conversion import Mol, sanitized
from data.drawing.panels import Picture, render

__all__ = ["draw_molecules"]

SIDE = 200  # pixels of one formula
COLORS = {1: "#e8e8e8", 6: "#505050", 7: "#3050f8", 8: "#ff0d0d", 9: "#60c040", 16: "#e0c020"}
OTHER = "#c060c0"
GAP = 1.5  # Angstrom between molecules in space


def draw_molecules(molecules: Sequence[Mol], columns: int | None = None) -> Picture:
    """Draw structural formulas in a grid, and below it the molecules in space, in the same order.

    Hydrogens are left out of the formulas of valid molecules; others are drawn as they are, and
    called invalid. In space, a molecule is seen along its shortest axis.

    Args:
        molecules: with a conformer each; one or more.
        columns: in a row; by default twice as many as there are rows.
    """
    columns = min(columns or math.ceil(math.sqrt(2 * len(molecules))), len(molecules))
    parts = [_formulas(molecules, columns), _in_space(molecules, columns)]
    width = max(part.shape[-1] for part in parts)
    return torch.cat([pad(part, (0, width - part.shape[-1]), value=1.0) for part in parts], dim=1)


def _formulas(molecules: Sequence[Mol], columns: int) -> Picture:
    from rdkit import Chem
    from rdkit.Chem import Draw, rdDepictor
    from rdkit.Chem.Draw import rdMolDraw2D

    shown, legends = [], []
    for molecule in molecules:
        valid = sanitized(molecule)
        flat = Chem.Mol(molecule) if valid is None else Chem.RemoveHs(valid)
        if valid is not None:
            Chem.Kekulize(flat, clearAromaticFlags=True)
        flat.UpdatePropertyCache(strict=False)
        Chem.FastFindRings(flat)
        rdDepictor.Compute2DCoords(flat)
        shown.append(flat)
        legends.append("" if valid is not None else "invalid")
    options = rdMolDraw2D.MolDrawOptions()
    options.prepareMolsBeforeDrawing = False  # which would refuse invalid ones
    image = Draw.MolsToGridImage(
        shown,
        molsPerRow=columns,
        subImgSize=(SIDE, SIDE),
        legends=legends,
        drawOptions=options,
        returnPNG=False,
    )
    pixels = torch.from_numpy(np.array(image.convert("RGB")))
    return pixels.permute(2, 0, 1).float().div(255)


def _in_space(molecules: Sequence[Mol], columns: int) -> Picture:
    placed = [_turned(molecule) for molecule in molecules]
    side = 2 * max(float(np.abs(points[:, :2]).max()) for points in placed) + GAP
    rows = math.ceil(len(molecules) / columns)

    def fill(figure: Any) -> None:
        figure.set_layout_engine("none")  # no margins
        axes = figure.add_axes([0, 0, 1, 1])
        for number, (molecule, points) in enumerate(zip(molecules, placed, strict=True)):
            x, y = (number % columns + 0.5) * side, (rows - number // columns - 0.5) * side
            _sticks_and_balls(axes, molecule, points + np.array([x, y, 0]))
        axes.set(xlim=(0, columns * side), ylim=(0, rows * side), aspect="equal")
        axes.axis("off")

    scale = SIDE / 120  # inches of a formula, which a molecule in space shall have, too
    return render(fill, (columns * scale, rows * scale))


def _sticks_and_balls(axes: Any, molecule: Mol, points: Float64[np.ndarray, "n 3"]) -> None:
    """Draw bonds and atoms from back to front."""
    depth = points[:, 2]
    for bond in molecule.GetBonds():
        ends = [bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()]
        width = 1 + 0.8 * int(bond.GetBondTypeAsDouble())
        axes.plot(
            *points[ends, :2].T, color="#909090", linewidth=width, zorder=depth[ends].mean() - 0.3
        )
    for atom, point in zip(molecule.GetAtoms(), points, strict=True):
        number = atom.GetAtomicNum()
        size = 14 if number == 1 else 40
        look = {"color": COLORS.get(number, OTHER), "edgecolors": "#303030", "linewidths": 0.5}
        axes.scatter(*point[:2], s=size, zorder=point[2], **look)


def _turned(molecule: Mol) -> Float64[np.ndarray, "n 3"]:
    """Positions about their mean, the two longest axes in the picture's plane."""
    points = np.nan_to_num(molecule.GetConformer().GetPositions())
    points -= points.mean(0)
    _, axes = np.linalg.eigh(points.T @ points)
    return points @ axes[:, ::-1]
