"""Stability and validity of 10,000 molecules, compared with a loop over pairs of atoms.

Run it with `python -m benchmarks.molecule_metrics`. The molecules are QM9's where LDM_DATA or
`datasets/` has them, else small ones, which are made first.
"""

import time
from itertools import combinations

import torch

from data import QM9, DataError, Molecules, SmallMolecules
from data.chemistry.bonds import MARGINS, VALENCES
from data.chemistry.conversion import quiet
from data.chemistry.elements import symbols
from eval.scorers.molecules.facts import measure

COUNT, LOOPED = 10_000, 500  # molecules; the loop is timed on fewer, and scaled


def rows() -> list[tuple[str, float, float, str, str]]:
    """Measure once; one row: name, our seconds, baseline seconds, baseline, target."""
    data = _data()
    test = data.train_dataset
    batch = test.__getitems__([i % len(test) for i in range(COUNT)])
    start = time.perf_counter()
    stable = measure(data, batch, "molecules").stable
    ours = time.perf_counter() - start
    few = {key: value[:LOOPED] for key, value in batch.items()}
    start = time.perf_counter()
    looped = _loop(data, few)
    theirs = (time.perf_counter() - start) * COUNT / LOOPED
    print(f"stable atoms of {LOOPED}: {looped}, {stable[:LOOPED].sum().item()} by tensors")
    name = f"stability and validity, {COUNT:,} molecules of {data.name}"
    return [(name, ours, theirs, "a loop over pairs", "at most 20 s")]


def _data() -> Molecules:
    try:
        data = QM9()
        data.setup()
    except DataError:
        data = SmallMolecules()
        data.setup()
    return data


def _loop(data: Molecules, batch: dict[str, torch.Tensor]) -> int:
    """Count stable atoms, and build and check each molecule, a pair of atoms at a time."""
    from rdkit import Chem

    found, lengths = 0, _lengths()
    kinds = [None, Chem.BondType.SINGLE, Chem.BondType.DOUBLE, Chem.BondType.TRIPLE]
    with quiet():
        for numbers, positions in zip(*data.atoms(batch), strict=True):
            names = symbols(numbers[numbers > 0].tolist())
            molecule, valences = Chem.RWMol(), [0] * len(names)
            for name in names:
                molecule.AddAtom(Chem.Atom(name))
            for i, j in combinations(range(len(names)), 2):
                distance = 100 * (positions[i] - positions[j]).norm().item()
                order = _order(lengths, frozenset((names[i], names[j])), distance)
                valences[i] += order
                valences[j] += order
                if order:
                    molecule.AddBond(i, j, kinds[order])
            found += sum(v in VALENCES[name] for v, name in zip(valences, names, strict=True))
            try:
                Chem.SanitizeMol(molecule)
            except ValueError:
                continue
            Chem.MolToSmiles(molecule)
    return found


def _lengths() -> list[dict[frozenset[str], int]]:
    """Typical lengths of each order, picometres, by the pair of elements."""
    return [
        {
            frozenset((first, name)): int(entry.removeprefix(name))
            for first, others in table.items()
            for entry in others.split()
            for name in [entry.rstrip("0123456789")]
        }
        for table, _ in MARGINS
    ]


def _order(lengths: list[dict[frozenset[str], int]], pair: frozenset[str], distance: float) -> int:
    order = 0
    for table, (_, margin) in zip(lengths, MARGINS, strict=True):
        if distance >= table.get(pair, -margin) + margin:
            break
        order += 1
    return order


if __name__ == "__main__":
    for name, ours, theirs, baseline, target in rows():
        print(f"{name}: {ours:.2f} s, {baseline} {theirs:.2f} s: {ours / theirs:.3f}x ({target})")
