"""Molecules as graphs: tables and splits, and the way back to RDKit."""

import json

import numpy as np
import pytest
import torch
from rdkit import Chem

from data import DataError, QM9Graphs, ZINC250k
from data.chemistry.kekulized import from_smiles, to_charged_mols
from data.graphs.dense import adjacency, split
from data.graphs.packed import GraphDataset
from data.graphs.smiles import packed_smiles

# Aromatic rings, a nitro group, an azide, an ammonium, a sulfone, a sulfonium, halogens.
HARD = [
    *("c1ccccc1Br", "C[N+](=O)[O-]", "CN=[N+]=[N-]", "C[NH3+]", "CS(=O)(=O)c1ccccc1I"),
    *("C[S+](C)C", "FC(F)(F)Cl", "c1c[nH]cn1", "O=c1cc[nH]cc1", "[O-][n+]1ccccc1"),
]


def test_a_molecule_is_kekulised_without_hydrogens_and_charges():
    numbers, bonds = from_smiles("[H]c1cc[n+]([O-])cc1")
    assert sorted(numbers) == [6] * 5 + [7, 8]
    orders = [order for *_, order in bonds]
    assert sorted(orders) == [1, 1, 1, 1, 2, 2, 2]


def test_charges_that_valences_need_are_granted():
    numbers, orders = torch.tensor([[7, 6, 6, 6, 6]]), torch.zeros(1, 5, 5, dtype=torch.int64)
    orders[0, 0, 1:] = orders[0, 1:, 0] = 1
    (molecule,) = to_charged_mols(numbers, orders)
    assert Chem.MolToSmiles(molecule) == "C[N+](C)(C)C"


@pytest.fixture
def zinc(tmp_path):
    """A table such as ZINC250k's, of ten copies of the hard molecules, methane and a salt."""
    smiles = [*HARD * 10, "C", "CCO.C"]
    lines = ["smiles,logP,qed,SAS", *(f'"{one}\n",1.0,0.5,2.0' for one in smiles)]
    (tmp_path / "zinc250k.csv").write_text("\n".join(lines))
    (tmp_path / "valid_idx_zinc250k.json").write_text(json.dumps([0, 3, 101, 55]))
    return tmp_path


def test_every_molecule_comes_back_valid(zinc):
    data = ZINC250k(root=str(zinc))
    data.setup()
    batch = next(iter(data.ordered_batches("train", 97)))
    found = data.mols(batch)
    assert len(found) == 97
    assert None not in found
    assert Chem.MolToSmiles(found[0]) == Chem.CanonSmiles(
        "CN(=O)=O".replace("N(=O)=O", "[N+](=O)O")
    )
    bromine = split(batch["x"])[0][:, :, data.kinds.index("Br")].sum()
    assert bromine == 9  # one of ten is held out


def test_the_published_rows_are_held_out_whatever_was_left_out_before(zinc):
    data = ZINC250k(root=str(zinc))
    assert len(data.train_dataset) + len(data.test_dataset) == 100
    assert len(data.test_dataset) == 3  # row 101 was a salt
    orders = adjacency(next(iter(data.ordered_batches("test", 3)))).amax((1, 2))
    assert orders.tolist() == [2, 1, 1]
    drawn = ZINC250k(split="drawn", root=str(zinc))
    assert len(drawn.test_dataset) == 10
    assert drawn.fingerprint == ZINC250k(split="drawn", root=str(zinc)).fingerprint


def test_invalid_samples_are_no_molecules_and_are_not_written(zinc, tmp_path):
    data = ZINC250k(root=str(zinc))
    batch = next(iter(data.ordered_batches("train", 3)))
    batch["x"][1, :6, 9:15] = 3 * (1 - torch.eye(6))  # six carbons of fifteen bonds
    assert [one is None for one in data.mols(batch)] == [False, True, False]
    data.save(tmp_path / "samples", batch)
    lines = (tmp_path / "samples" / "molecules.smi").read_text().splitlines()
    assert [line.split()[1] for line in lines] == ["0", "2"]
    kinds = json.loads((tmp_path / "samples" / "graphs.json").read_text())[0]["kinds"]
    assert sorted(kinds) == ["C", "N", "O", "O"]


def test_corrected_graphs_are_the_largest_valid_pieces(zinc, tmp_path):
    data = ZINC250k(root=str(zinc))
    batch = next(iter(data.ordered_batches("train", 3)))
    assert torch.equal(data.correct(batch)["x"], batch["x"])  # nothing is wrong with real ones
    nodes, edges = split(batch["x"])
    nodes[0], edges[0] = 0, 0
    batch["mask"][0] = torch.arange(38) < 6
    nodes[0, :6] = torch.nn.functional.one_hot(torch.tensor([3, 0, 0, 2, 0, 1]), 9).float()
    for one, other, order in [(1, 2, 3), (2, 3, 2), (2, 5, 1), (0, 4, 1)]:  # F C C(=O)(N) C
        edges[0, one, other] = edges[0, other, one] = order
    corrected = data.correct(batch)
    molecule = data.mols(corrected)[0]
    assert data.mols(batch)[0] is None
    assert Chem.MolToSmiles(molecule) == "CC(N)=O"
    assert corrected["mask"][0].sum() == 4
    assert not corrected["x"][0, 4:].any()
    data.save(tmp_path / "saved", {**batch, "index": torch.arange(3)})
    lines = [
        (tmp_path / "saved" / f"{name}.smi").read_text() for name in ("molecules", "corrected")
    ]
    assert [len(text.splitlines()) for text in lines] == [2, 3]


def test_rows_of_qm9_are_those_of_its_archive(tmp_path):
    smiles = ["CC", "CO", "CN", "N", "C#N", "CF"]
    index = np.array([1, 2, 4, 5, 6, 9], np.int32)  # from 1; some are not in the file
    np.savez(tmp_path / "qm9.npz", smiles=np.array("\n".join(smiles)), index=index)
    (tmp_path / "valid_idx_qm9.json").write_text(json.dumps({"valid_idxs": ["0003", "0008"]}))
    data = QM9Graphs(root=str(tmp_path))
    batch = next(iter(data.ordered_batches("test", 2)))
    assert [Chem.MolToSmiles(one) for one in data.mols(batch)] == ["CN", "CF"]
    assert len(data.train_dataset) == 3


def test_damaged_arrays_and_lists_are_refused(tmp_path):
    np.savez(tmp_path / "qm9.npz", smiles=np.array("CC\nCO"), index=np.array([1]))
    with pytest.raises(DataError, match=r"qm9\.npz is damaged \(1 numbers of 2 molecules\)"):
        QM9Graphs(split="drawn", root=str(tmp_path)).setup()
    whole = (tmp_path / "qm9.npz").read_bytes()
    (tmp_path / "qm9.npz").write_bytes(whole[:200])
    with pytest.raises(DataError, match=r"qm9\.npz is damaged .*: fetch it again"):
        QM9Graphs(split="drawn", root=str(tmp_path)).setup()
    (tmp_path / "molecules").mkdir()
    for part in ("valid", "test"):
        (tmp_path / "molecules" / f"zinc250k_{part}.smi").write_bytes(b"CC \xff\n")
    with pytest.raises(DataError, match=r"zinc250k_valid\.smi is no list of SMILES"):
        ZINC250k(root=str(tmp_path)).setup()


@pytest.mark.parametrize("kind", [QM9Graphs, ZINC250k])
def test_missing_tables_and_lists_are_refused(tmp_path, kind):
    with pytest.raises(DataError, match="is at none of"):
        kind(root=str(tmp_path)).setup()
    table = {QM9Graphs: "qm9.csv", ZINC250k: "zinc250k.csv"}[kind]
    (tmp_path / table).write_text("smiles\nCC\n")
    with pytest.raises(DataError, match=r"copy data/valid_idx_.* or set split=drawn"):
        kind(root=str(tmp_path)).setup()
    (tmp_path / kind.listed).write_text("{}")
    with pytest.raises(DataError, match="no list of rows"):
        kind(root=str(tmp_path)).setup()
    (tmp_path / table).write_text("name\nCC\n")
    with pytest.raises(DataError, match="a column"):
        kind(root=str(tmp_path)).setup()


@pytest.mark.parametrize(("wrong", "reason"), [("C1CC", "no molecule"), ("[Si]C", "number 14")])
def test_a_molecule_that_cannot_be_read_is_refused_by_its_number(tmp_path, wrong, reason):
    (tmp_path / "zinc250k.csv").write_text(f"smiles\nCC\n{wrong}\n")
    with pytest.raises(DataError, match=f"molecule 1: .*{reason}"):
        ZINC250k(split="drawn", root=str(tmp_path)).setup()


def test_real_molecules_come_back_valid(shared_data):
    path = shared_data / "molecules" / "zinc250k_test.smi"
    packed, _ = packed_smiles(path.read_text().split()[:300], ZINC250k.kinds, path)
    dataset = GraphDataset(packed, 38, 9, permute=False)
    found = ZINC250k(split="drawn").mols(dataset.__getitems__(range(len(dataset))))
    assert len(found) == 300
    assert None not in found
