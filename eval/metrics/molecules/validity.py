"""Validity, uniqueness and novelty of molecules, by their SMILES.

Source: Simonovsky and Komodakis, "GraphVAE", 2018; as in Hoogeboom et al., "Equivariant diffusion
for molecule generation in 3D", 2022.
"""

from collections.abc import Collection, Sequence

__all__ = ["validity"]


def validity(
    smiles: Sequence[str | None],
    fragments: Sequence[int],
    known: Collection[str] | None = None,
) -> dict[str, float]:
    """Shares of valid molecules, of different ones among these, and of new ones among those.

    `valid_unique` is validity times uniqueness; `connected` is the share of valid molecules that
    are of one piece: others count as valid, too.

    Args:
        smiles: of the largest fragment of each molecule; None of an invalid one.
        fragments: number of pieces of each molecule, of which those of invalid ones are not read.
        known: SMILES of the training molecules; None for no novelty.

    Raises:
        ValueError: there is no molecule.

    Example:
        >>> validity(["C", "C", "CC", None], [1, 2, 1, 0], {"CC"})["valid_unique"]
        0.5
    """
    if not smiles:
        raise ValueError("validity needs a molecule, got none")
    valid = [one for one in smiles if one is not None]
    whole = sum(n == 1 for one, n in zip(smiles, fragments, strict=True) if one is not None)
    unique = set(valid)
    scores = {
        "validity": len(valid) / len(smiles),
        "uniqueness": len(unique) / max(len(valid), 1),
        "valid_unique": len(unique) / len(smiles),
        "connected": whole / max(len(valid), 1),
    }
    if known is None:
        return scores
    new = sum(one not in known for one in unique)
    return {
        **scores,
        "novelty": new / max(len(unique), 1),
        "valid_unique_novel": new / len(smiles),
    }
