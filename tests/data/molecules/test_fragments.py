"""Fragments of files become the first atoms of all samples, or are refused with one message."""

import numpy as np
import pytest
import torch
from rdkit import Chem

from data import DataError
from data.chemistry.elements import GEOM_DRUGS, atomic_numbers
from data.molecules.base import Molecules
from data.molecules.dataset import MoleculeDataset, ragged
from data.molecules.encoding import Atoms, encode
from data.molecules.fragments import read_fragment

SIZES = np.repeat([3, 5, 6], [1, 2, 1])
XYZ = "3\nwater\nO 0 0 0.5\nH 0 0.8 1\nH 0 -0.8 1\n"


class Drawn(Molecules):
    """Molecules of three, five and six carbon atoms."""

    name, elements, places, charged = "drawn", GEOM_DRUGS, 7, True

    def load(self, split):
        positions = np.random.default_rng(0).normal(size=(SIZES.sum(), 3)).astype(np.float32)
        return MoleculeDataset(ragged(np.full(SIZES.sum(), 6), positions, SIZES), self.layout)


def sdf(xyz=XYZ):
    return Chem.MolToMolBlock(Chem.MolFromXYZBlock(xyz)) + "$$$$\n"


def written(folder, name, text):
    (folder / name).write_text(text)
    return str(folder / name)


@pytest.mark.parametrize(("name", "text"), [("water.xyz", XYZ), ("water.SDF", sdf())])
def test_all_atoms_of_a_file_are_read_hydrogens_too(tmp_path, name, text):
    numbers, positions = read_fragment(tmp_path / written(tmp_path, name, text))
    assert numbers.tolist() == [[8, 1, 1]]
    torch.testing.assert_close(positions[0, 1], torch.tensor([0, 0.8, 1]))


def test_a_fragment_is_the_first_atoms_of_samples_with_more_atoms(tmp_path):
    batch = Drawn().requests(range(1000), 0, keep=written(tmp_path, "water.xyz", XYZ))
    sizes, counts = batch["mask"].sum(1).unique(return_counts=True)
    assert sizes.tolist() == [5, 6]  # those with three atoms would be the fragment alone
    assert counts[0].item() / 1000 == pytest.approx(2 / 3, abs=0.06)  # four standard errors
    assert (batch["kept"] == (torch.arange(7) < 3)).all()
    known = encode(read_fragment(tmp_path / "water.xyz"), GEOM_DRUGS, charged=True)
    assert torch.equal(batch["known"][:, :3], known.expand(1000, -1, -1))
    assert not batch["known"][:, 3:].any()


def test_samples_get_the_fragments_own_types_and_distances_back(tmp_path):
    data = Drawn()
    asked = data.requests([0, 1], 0, atoms=6, keep=written(tmp_path, "water.xyz", XYZ))
    numbers = torch.tensor(atomic_numbers(["O", "H", "H", "C", "C", "C"])).expand(2, 6)
    own = torch.randn(2, 6, 3, generator=torch.Generator().manual_seed(0))
    own[:, :3] = read_fragment(tmp_path / "water.xyz").positions  # somewhere in the molecule
    exact = torch.zeros(2, *data.shape)
    exact[:, :6] = encode(Atoms(numbers, own), GEOM_DRUGS, charged=True)
    noise = 0.1 * torch.randn(2, 3, 20, generator=torch.Generator().manual_seed(1))
    noise[..., :3] -= noise[..., :3].mean(1, keepdim=True)
    blurred = exact.clone()
    blurred[:, :3] += noise
    torch.testing.assert_close(data.restore({**asked, "x": blurred})["x"], exact)


FAULTS = {
    "no.xyz": (None, "holds no fragment to keep: .*No such file"),
    "water.pdb": (XYZ, "a fragment is read from a file .sdf or .xyz, got"),
    "words.xyz": ("some words", "holds no fragment to keep: RDKit cannot read it"),
    "binary.sdf": (bytes(range(256)), "holds no fragment to keep"),
    "empty.sdf": ("", "holds no fragment to keep"),
    "two.sdf": (2 * sdf(), "it should be one molecule, got 2"),
    "none.xyz": ("0\n\n", "no atoms, or no positions in space"),
    "flat.sdf": (sdf("2\n\nC 0 0 0\nO 1 0 0\n").replace("3D", "2D"), "no positions in space"),
    "nan.xyz": (XYZ.replace("0.8", "nan"), "coordinates be numbers"),
    "nan.sdf": (sdf().replace("0.8000", "   nan"), "coordinates be numbers"),
    "unknown.xyz": (XYZ.replace("O", "Xx"), "elements must exist"),
    "foreign.xyz": (XYZ.replace("O", "Au"), "an atom of atomic number 79, and these molecules"),
    "large.xyz": ("7\n\n" + "C 0 0 1\n" * 7, "has 7 atoms, and these molecules at most 7"),
    "six.xyz": ("6\n\n" + "C 0 0 1\n" * 6, "no training molecule has 7 atoms or more"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_cannot_be_kept_is_refused_with_one_message(tmp_path, name, capfd):
    content, message = FAULTS[name]
    if content is not None:
        content = content if isinstance(content, bytes) else content.encode()
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        Drawn().requests([0], 0, keep=str(tmp_path / name))
    assert capfd.readouterr().err == ""  # nor a word of RDKit's own


def test_fewer_atoms_than_the_fragment_leaves_over_are_refused(tmp_path):
    with pytest.raises(DataError, match="atoms must be 4 to 7, got 3"):
        Drawn().requests([0], 0, atoms=3, keep=written(tmp_path, "water.xyz", XYZ))
