"""The transformer autoencoder of molecules: masks, orders, and a molecule that it learns."""

import pytest
import torch
from torch.testing import assert_close

from ldm.bottlenecks import FixedGaussian
from ldm.losses import AtomError
from ldm.networks.molecules.atom_autoencoder import AtomDecoder, AtomEncoder
from ldm.spaces import PointSet
from ldm.tokenizers import Tokenizer

MASK = torch.arange(6) < torch.tensor([6, 2, 5, 1])[:, None]
SIZES = {"width": 16, "depth": 2, "heads": 4}


def tokenizer() -> Tokenizer:
    torch.manual_seed(0)
    bottleneck = FixedGaussian(PointSet(6, 0, 4), 0.1)
    encoder, decoder = AtomEncoder([6, 5], [6, 4], **SIZES), AtomDecoder([6, 5], [6, 4], **SIZES)
    return Tokenizer(encoder, bottleneck, decoder).double()


def molecules() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = PointSet(6, 3, 2).on({"mask": MASK}).random(4, generator, dtype=torch.float64)
    types = torch.nn.functional.one_hot(x[..., 3:].argmax(-1), 2) * MASK[..., None]
    return {"x": torch.cat([x[..., :3], types], -1), "mask": MASK}


@pytest.mark.parametrize("training", [True, False])  # where torch has kernels of its own
def test_padding_other_molecules_and_the_order_of_atoms_have_no_influence(training):
    model, batch = tokenizer().train(training), molecules()
    with torch.set_grad_enabled(training):
        back, encoded = model.reconstruct(batch)
        for found in (encoded.raw, back["x"]):
            assert not found[~MASK].any()
        assert_close(back["x"][..., :3].sum(1), torch.zeros(4, 3).double())
        order = torch.randperm(6, generator=torch.Generator().manual_seed(1))
        moved = {key: value[:, order] for key, value in batch.items()}
        assert_close(model.reconstruct(moved)[0]["x"], back["x"][:, order])
        for row, size in enumerate(MASK.sum(1).tolist()):
            alone = {key: value[row : row + 1] for key, value in batch.items()}
            short = {key: value[:, :size] for key, value in alone.items()}
            raw = model.encoder(short["x"], short["mask"])
            assert_close(raw[0], encoded.raw[row, :size])
            assert_close(model.reconstruct(alone)[0]["x"][0], back["x"][row])


def test_it_learns_molecules_by_heart():
    model, batch, error = tokenizer().float(), molecules(), AtomError(2)
    batch["x"] = batch["x"].float()
    optimizer = torch.optim.Adam(model.parameters(), 5e-3)
    losses = []
    for step in range(100):
        back, encoded = model(batch, torch.Generator().manual_seed(step))
        losses.append(error(model, batch, encoded, back))
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    assert losses[-1] < 0.1 * losses[0]


def test_heads_that_do_not_share_the_width_are_refused():
    with pytest.raises(ValueError, match="multiple of the heads"):
        AtomEncoder([6, 5], [6, 4], width=10, heads=4)
