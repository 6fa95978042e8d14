"""Torsion angles: files in degrees to radians or pairs on tori."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import data.points.torsions
from data import RNA, DataError, Protein
from data.points.circles import angles_of, embed, wrap

LINES = [
    "119L:ChainA:ASN2\t-147.962169\t178.182401\tGeneral",
    "119L:ChainA:GLY3\t90\t-90\tGlycine",
    "119L:ChainA:PRO4\t-0.000000\t180.0\tProline",
    "119L:ChainA:SER5\t1\t2\tPre-Pro",
]
ROW = "402d\tG\t" + "\t".join(str(float(i)) for i in range(-3, 4))


@pytest.fixture
def protein(tmp_path, monkeypatch):
    """Write a file of proteins with one residue of each kind, and open it."""
    monkeypatch.setattr(
        data.points.torsions, "PROTEIN_ROWS", dict.fromkeys(data.points.torsions.PROTEIN_ROWS, 1)
    )

    def write(lines=LINES, **options) -> Protein:
        (tmp_path / "protein.tsv").write_text("\n".join(lines))
        return Protein(root=str(tmp_path), **options)

    return write


@pytest.fixture
def rna(tmp_path, monkeypatch):
    monkeypatch.setattr(data.points.torsions, "RNA_ROWS", 1)

    def write(text=ROW, **options) -> RNA:
        (tmp_path / "rna.tsv").write_text(text)
        return RNA(root=str(tmp_path), **options)

    return write


def test_proteins_are_read_by_kind(protein):
    quarters = [math.pi / 2, 3 * math.pi / 2]
    assert protein(kind="Glycine").read()[0].tolist() == pytest.approx(quarters)
    assert protein(kind="Proline").read()[0].tolist() == pytest.approx([0, math.pi])
    pairs = protein(kind="Glycine", embedding="pairs")
    assert pairs.shape == (4,)
    torch.testing.assert_close(pairs.read(), torch.tensor([[0.0, 1.0, 0.0, -1.0]]))


def test_rna_has_seven_angles_in_the_order_of_the_file(rna):
    data = rna()
    expected = torch.tensor([-3.0, -2, -1, 0, 1, 2, 3]).deg2rad() % (2 * math.pi)
    torch.testing.assert_close(data.read(), expected[None])
    assert data.shape == (7,)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a\t1\tnan\tGeneral", r"protein\.tsv:5 .* got \['1', 'nan'\]"),
        ("a\t1\tx\tGeneral", r"protein\.tsv:5 "),
        ("a\t1\t181\tGeneral", r"protein\.tsv:5 .*at most 180 degrees"),
        ("a\t1\t2\tHelix", r"protein\.tsv:5 .*Pre-Pro.*Helix"),
        ("a 1 2 General", r"protein\.tsv:5 .*parted by tabs"),
        ("a\t1\t2\tGeneral", "'General': 1.*'General': 2"),
    ],
)
def test_an_invalid_residue_is_refused_with_its_line(protein, line, message):
    with pytest.raises(DataError, match=message):
        protein([*LINES, line]).read()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (ROW.replace("G", "T"), r"rna\.tsv:1 .*one of A, C, G, U"),
        (ROW + "\t4", r"rna\.tsv:1 .*seven angles"),
        (ROW.replace("2.0", ""), r"rna\.tsv:1 "),
        (f"{ROW}\n{ROW}", "should hold 1 rows, got 2"),
    ],
)
def test_an_invalid_nucleotide_is_refused_with_its_line(rna, text, message):
    with pytest.raises(DataError, match=message):
        rna(text).read()


def test_angles_in_radians_are_refused(tmp_path, monkeypatch):
    angles = torch.rand(20, 7, generator=torch.Generator().manual_seed(0)) * 6.28 - 3.14
    lines = ["402d\tG\t" + "\t".join(str(a) for a in row) for row in angles.tolist()]
    (tmp_path / "rna.tsv").write_text("\n".join(lines))
    monkeypatch.setattr(data.points.torsions, "RNA_ROWS", 20)
    with pytest.raises(DataError, match=r"rna\.tsv should hold degrees.*look like radians; conv"):
        RNA(root=str(tmp_path)).read()
    lines = [f"a\t{a}\t{b}\tGeneral" for a, b in angles[:, :2].tolist()]
    (tmp_path / "protein.tsv").write_text("\n".join(lines))
    rows = dict.fromkeys(data.points.torsions.PROTEIN_ROWS, 0) | {"General": 20}
    monkeypatch.setattr(data.points.torsions, "PROTEIN_ROWS", rows)
    with pytest.raises(DataError, match=r"protein\.tsv should hold degrees.*like radians; conv"):
        Protein(root=str(tmp_path)).read()


def test_the_sample_file_never_replaces_the_full_file_silently(shared_data, tmp_path):
    with pytest.raises(
        DataError, match=r"tsv is at none of .*vislearn/FFF.*sample=true and kind=General"
    ):
        Protein(root=str(tmp_path)).setup()
    data = Protein(sample=True, root=str(shared_data))
    data.setup()
    assert data.name == "General (sample)"
    kinds = ("General", "Glycine", "Proline", "Pre-Pro")
    parts = [Protein(kind, sample=True, root=str(shared_data)).read() for kind in kinds]
    assert sum(map(len, parts)) == 58
    for kind in kinds[1:]:  # which is why the advice is kind=General
        with pytest.raises(DataError, match="too few for split=rfm"):
            Protein(kind, sample=True, root=str(shared_data)).setup()


def test_the_published_rna_file_has_its_known_values(shared_data):
    data = RNA(root=str(shared_data), split="huang")
    data.setup()
    parts = (data.train_dataset, data.val_dataset, data.test_dataset)
    assert tuple(map(len, parts)) == (7582, 948, 948)
    x = data.read().double()
    mean = torch.atan2(x.sin().mean(0), x.cos().mean(0)).rad2deg()
    resultant = torch.hypot(x.sin().mean(0), x.cos().mean(0))
    published = torch.tensor([-69.3, 176.0, 59.6, 87.9, -58.6, 19.4, -158.4], dtype=torch.float64)
    torch.testing.assert_close(mean, published, atol=0.06, rtol=0)
    lengths = torch.tensor([0.655, 0.912, 0.766, 0.948, 0.963, 0.849, 0.915], dtype=torch.float64)
    torch.testing.assert_close(resultant, lengths, atol=6e-4, rtol=0)


@given(st.lists(st.floats(-400, 400), min_size=1), st.sampled_from([torch.float32, torch.float64]))
def test_wrapped_angles_are_in_range_also_in_single_precision(angles, dtype):
    x = torch.tensor(angles, dtype=dtype)
    wrapped = wrap(x)
    assert ((wrapped >= 0) & (wrapped.float() < 2 * math.pi)).all()
    torch.testing.assert_close(wrapped.cos(), x.cos(), atol=1e-4, rtol=0)


@given(st.lists(st.floats(0, 6.28), min_size=1))
def test_pairs_are_unit_vectors_from_which_angles_are_recovered(angles):
    x = torch.tensor([angles], dtype=torch.float64)
    pairs = embed(x, "pairs")
    torch.testing.assert_close(pairs[:, ::2] ** 2 + pairs[:, 1::2] ** 2, torch.ones_like(x))
    torch.testing.assert_close(angles_of(pairs, "pairs"), x)
    assert torch.equal(angles_of(embed(x, "angles"), "angles"), x)


def test_unknown_kinds_and_embeddings_are_refused():
    with pytest.raises(DataError, match="General, Glycine, Proline, Pre-Pro, got 'Serine'"):
        Protein("Serine")
    with pytest.raises(DataError, match="'angles' or 'pairs', got 'degrees'"):
        RNA("degrees")
