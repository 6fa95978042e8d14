"""Scores of molecules in space that RDKit gives: strain, and plausibility."""

from data import Batch, Molecules
from data.chemistry.conversion import quiet
from data.chemistry.energy import energy_ratio
from data.chemistry.plausibility import CHECKS, plausibility
from data.chemistry.strain import strain_energies
from eval.scorers.molecules.facts import Facts

__all__ = ["PROTOCOL", "plausible_shares", "strains"]

STRAINED = 250  # stable molecules whose strain is measured; each takes some milliseconds
CHECKED = 2000  # molecules that are checked; each takes half a millisecond
ENERGIES = 100  # molecules whose energies are compared; each takes 25 milliseconds
LARGEST = 100.0  # ratio of energies that is plausible, as in PoseBusters

PROTOCOL = {
    "strain": f"MMFF94 of {STRAINED} stable molecules at most",
    "plausible": f"checks like those of PoseBusters, of {CHECKED} molecules at most; energies of "
    f"{ENERGIES} at most, against 10 conformers, not 50",
}
"""How these scores are obtained."""


def strains(data: Molecules, batch: Batch, facts: Facts) -> list[float]:
    """Strains of the first stable molecules of one piece, kcal/mol; none of sets without orders."""
    whole = [n == 1 for n in facts.fragments]
    stable = (facts.stable | (facts.numbers == 0)).all(1).tolist()
    rows = [row for row, both in enumerate(zip(whole, stable, strict=True)) if all(both)]
    return [] if data.single_bonds else strain_energies(_some(data, batch, rows[:STRAINED]))


def plausible_shares(data: Molecules, batch: Batch, facts: Facts) -> dict[str, float]:
    """Share of molecules that are valid and pass all checks, and of valid ones that pass each.

    Of the first 2,000 molecules; energies of the first 100 valid ones of one piece that have one.
    None of sets without bond orders, which the checks need.
    """
    if data.single_bonds:
        return {}
    with quiet():
        every = range(min(CHECKED, len(batch["x"])))
        found = [plausibility(one) for one in _some(data, batch, list(every))]
    valid = [one for one in found if one is not None]
    shares = {"plausible": sum(all(one.values()) for one in valid) / len(found)}
    if valid:
        each = {f"plausible_{key}": sum(one[key] for one in valid) / len(valid) for key in CHECKS}
        shares |= each
    rows = [row for row, pieces in enumerate(facts.fragments) if pieces == 1][:ENERGIES]
    with quiet():
        ratios = [energy_ratio(one) for one in _some(data, batch, rows)]
    if known := [ratio <= LARGEST for ratio in ratios if ratio is not None]:
        shares["plausible_energy"] = sum(known) / len(known)
    return shares


def _some(data: Molecules, batch: Batch, rows: list[int]) -> list:
    return data.molecules({key: value[rows] for key, value in batch.items()}) if rows else []
