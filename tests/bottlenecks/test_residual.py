"""Residual quantisation."""

from functools import partial

import pytest
import torch
from torch.testing import assert_close
from vector_quantize_pytorch import ResidualVQ

from ldm.bottlenecks import EMAVectorQuantizer, ResidualQuantizer, VectorQuantizer

STAGE = partial(VectorQuantizer, codes=40, init="symmetric")


def features() -> torch.Tensor:
    return torch.randn(2, 4, 5, 5, generator=torch.Generator().manual_seed(0))


def test_one_stage_is_the_quantiser_itself():
    torch.manual_seed(0)
    one = ResidualQuantizer([4, 5, 5], 1, STAGE)
    alone, (stage,) = one.stages[0], one.stages
    found, expected = one(features()), alone(features())
    assert torch.equal(found.codes, expected.codes)
    assert torch.equal(found.latent, expected.latent)
    assert_close(found.losses["codebook"], expected.losses["codebook"])
    assert stage is alone


def test_codes_are_those_of_an_independent_library_with_the_same_rows():
    torch.manual_seed(0)
    ours = ResidualQuantizer([4, 5, 5], 3, STAGE)
    theirs = ResidualVQ(dim=4, num_quantizers=3, codebook_size=40).eval()
    for stage, layer in zip(ours.stages, theirs.layers, strict=True):
        layer._codebook.embed.data.copy_(stage.codebook[None])
        layer._codebook.initted.fill_(True)
    latent, codes, _ = theirs(features().flatten(2).mT)
    encoded = ours(features())
    assert torch.equal(encoded.codes.flatten(1, 2), codes)
    assert_close(encoded.latent.flatten(2).mT, latent)
    assert torch.equal(ours.latent(encoded.raw), encoded.latent)


@pytest.mark.parametrize("shared", [False, True])
def test_losses_are_of_residuals_and_reach_codebooks_alone(shared):
    torch.manual_seed(0)
    quantizer, h = ResidualQuantizer([4, 5, 5], 3, STAGE, shared), features().requires_grad_()
    assert len(quantizer.stages) == (1 if shared else 3)
    encoded = quantizer(h)
    left, expected = h.detach(), 0.0
    for k in range(3):
        stage = quantizer.stages[0 if shared else k]
        row = stage.codes_to_latent(encoded.codes[..., [k]])
        expected += 1.25 * (row - left).square().mean()
        left = left - row
    assert_close(encoded.losses["codebook"], expected)
    weight = features().flip(0)
    (encoded.latent * weight).sum().backward()
    assert torch.equal(h.grad, weight)
    assert all(p.grad is None for p in quantizer.parameters())


def test_with_zero_among_the_rows_more_stages_leave_no_more():
    torch.manual_seed(0)
    quantizer = ResidualQuantizer([4, 5, 5], 6, STAGE)
    with torch.no_grad():
        for stage in quantizer.stages:
            stage.codebook[0] = 0
    codes, left = quantizer(features()).codes, [features().norm()]
    for k in range(6):
        rows = [stage.codes_to_latent(codes[..., [i]]) for i, stage in enumerate(quantizer.stages)]
        left.append((features() - sum(rows[: k + 1])).norm())
    assert left == sorted(left, reverse=True)


def test_stages_may_be_moving_averages():
    torch.manual_seed(0)
    quantizer = ResidualQuantizer([4, 5, 5], 2, partial(EMAVectorQuantizer, codes=8, decay=0.5))
    before = [stage.codebook.clone() for stage in quantizer.stages]
    assert quantizer(features().requires_grad_()).codes.shape == (2, 5, 5, 2)
    for stage, rows in zip(quantizer.stages, before, strict=True):
        assert not torch.equal(stage.codebook, rows)


def test_stages_that_do_not_choose_one_row_are_refused():
    with pytest.raises(ValueError, match="stages must be 1 or more, got 0"):
        ResidualQuantizer([4], 0, STAGE)
    with pytest.raises(ValueError, match="without groups and unquantized"):
        ResidualQuantizer([4], 2, partial(VectorQuantizer, codes=8, unquantized=True))
