"""Ratios of gradient norms, and their published bounds."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from ldm.losses.adaptive import ADAPTIVE_RATIOS, gradient_norm, vavae_ratio

law = settings(max_examples=20, deadline=None)
RATIOS = {**ADAPTIVE_RATIOS, "vavae": vavae_ratio}


@pytest.mark.parametrize("form", RATIOS)
@law
@given(nll=st.floats(1, 10), g=st.floats(1, 10), factor=st.floats(0.5, 10))
def test_ratios_are_linear_in_the_reconstruction_and_ignore_the_scale_of_both(form, nll, g, factor):
    ratio = RATIOS[form]
    nll, g = torch.tensor(nll), torch.tensor(g)
    assert_close(ratio(factor * nll, g), factor * ratio(nll, g))
    assert_close(ratio(factor * nll, factor * g), ratio(nll, g), rtol=3e-4, atol=0)


def test_ratios_are_bounded_as_published():
    zero, one, nan = torch.tensor(0.0), torch.tensor(1.0), torch.tensor(torch.nan)
    vqgan, gsq = RATIOS["vqgan"], RATIOS["gsq"]
    assert vqgan(one, one).item() == pytest.approx(1 / 1.0001)
    assert vqgan(zero, one) == 0
    assert vqgan(one, zero).item() == pytest.approx(1e4)
    assert vqgan(100 * one, zero) == 1e4
    assert vavae_ratio(100 * one, zero).item() == pytest.approx(1e6)
    assert vavae_ratio(1e5 * one, zero) == 1e8
    wf_vae = RATIOS["wf_vae"]
    assert wf_vae(one, zero).item() == pytest.approx(1e6)
    assert wf_vae(100 * one, zero) == 1e6
    assert gsq(one, one) == 1
    assert gsq(one, zero).item() == pytest.approx(1e3)
    assert gsq(100 * one, zero) == 1e3
    assert gsq(nan, one) == 1


def test_the_gradient_of_half_precision_weights_is_measured_in_float32():
    weights = torch.rand(1000, 1000, generator=torch.Generator().manual_seed(0)) / 1000
    layer = torch.zeros(1000, 1000, dtype=torch.bfloat16, requires_grad=True)
    # A million gradients of a thousandth, each rounded to eight bits.
    found = gradient_norm((layer.float() * weights).sum(), layer)
    assert_close(found.double(), weights.bfloat16().double().norm(), rtol=1e-4, atol=0)


def test_layers_that_are_missing_or_unrelated_are_refused():
    loss = torch.ones(3, requires_grad=True).sum()
    with pytest.raises(ValueError, match="needs the weight of the decoder's last layer"):
        gradient_norm(loss, None)
    with pytest.raises(ValueError, match="does not depend on the last layer"):
        gradient_norm(loss, torch.ones(3, requires_grad=True))
