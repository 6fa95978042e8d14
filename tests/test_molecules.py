"""GeoLDM through the commands, on molecules that are made in a second."""

import numpy as np
import pytest
import torch
from rdkit import Chem
from safetensors.torch import load_file

import sample
import train
from ldm.config.compose import compose
from ldm.run.models import build_models
from ldm.run.parts import build_data

SMALL = [
    "experiment=geoldm/qm9",
    "data=small_molecules",
    "data.heavy=2",
    "tokenizer.encoder.width=8",
    "tokenizer.decoder.depth=1",
    "prior.backbone.width=8",
    "prior.backbone.depth=1",
    "tokenizer.training.samples=64",
    "tokenizer.training.batch_size=16",
    "prior.training.samples=64",
    "prior.training.batch_size=16",
    "trainer=cpu",
    "trainer.precision=32-true",
    "trainer.pictures=1",
    "sampler.steps=3",
    "eval=none",
]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("molecules")
        patch.setenv("LDM_CACHE", str(folder / "cache"))
        train.main([*SMALL, f"run={folder / 'run'}"])
        yield folder / "run"


def test_the_encoder_stays_as_it_was_initialised_and_latents_keep_their_scale(run):
    config = compose(SMALL)
    before = build_models(config, build_data(config), ["tokenizer"])["tokenizer"].state_dict()
    after = load_file(run / "tokenizer" / "model.safetensors")
    moved = {key for key, x in after.items() if not torch.equal(x, before[key])}
    assert moved == {key for key in after if key.startswith("decoder.")}


def test_samples_are_files_that_rdkit_reads_whatever_the_batch(run, tmp_path):
    for batch_size in (4, 3):
        given = ["n=4", f"batch_size={batch_size}", "condition.atoms=5"]
        sample.main([f"run={run}", *given, f"output={tmp_path / str(batch_size)}"])
    files = [tmp_path / str(k) / "molecules.sdf" for k in (4, 3)]
    positions = []
    for file in files:
        molecules = list(Chem.SDMolSupplier(str(file), removeHs=False, sanitize=False))
        assert [molecule.GetNumAtoms() for molecule in molecules] == [5] * 4
        positions.append([molecule.GetConformer().GetPositions() for molecule in molecules])
    np.testing.assert_allclose(*positions, atol=2e-4)


def test_a_fragment_is_kept_in_all_samples_whatever_the_decoder_makes_of_it(run, tmp_path, refused):
    fragment = tmp_path / "carbonyl.xyz"
    fragment.write_text("2\n\nC 5 0 0\nO 5 0 1.2\n")
    given = [f"run={run}", "n=3", "condition.atoms=5", "inpainting.resamplings=2"]
    sample.main([*given, f"keep={fragment}", f"output={tmp_path / 'kept'}"])
    molecules = Chem.SDMolSupplier(
        str(tmp_path / "kept" / "molecules.sdf"), removeHs=False, sanitize=False
    )
    positions = []
    for molecule in molecules:
        assert [atom.GetSymbol() for atom in molecule.GetAtoms()][:2] == ["C", "O"]
        positions.append(molecule.GetConformer().GetPositions())
    bonds = np.stack(positions)[:, 1] - np.stack(positions)[:, 0]
    np.testing.assert_allclose(bonds, [[0, 0, 1.2]] * 3, atol=2e-4)  # as SDF rounds
    np.testing.assert_allclose(np.mean(positions, 1), 0, atol=0.05)
    fragment.write_text("1\n\nAu 0 0 0\n")
    message = refused(sample.main, *given, f"keep={fragment}", f"output={tmp_path / 'kept'}")
    assert "carbonyl.xyz has an atom of atomic number 79" in message
