"""Attention gives the same with every kernel, and tokens outside of a mask have no influence."""

import pytest
import torch
import torch.nn.functional as F

from ldm.networks.transformer import Block, attention


@pytest.mark.parametrize("tokens", [24, 40, 520])
def test_attention_agrees_with_the_fused_kernel_in_value_and_gradient(tokens):
    torch.manual_seed(0)
    q, k, v = torch.randn(3, 2, 4, tokens, 16).unbind()
    weight = torch.randn(2, 4, tokens, 16)
    results = []
    for attend, dtype in (
        (F.scaled_dot_product_attention, torch.float32),
        (attention, torch.bfloat16),
    ):
        inputs = [x.to(dtype).requires_grad_() for x in (q, k, v)]
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
            out = attend(*inputs)
        gradients = torch.autograd.grad((out.float() * weight).sum(), inputs)
        results.append([x.float() for x in (out, *gradients)])
    for expected, got in zip(*results, strict=True):
        assert (got - expected).norm() < 0.02 * expected.norm()


def test_attention_in_double_precision_is_exact():
    q, k, v = torch.randn(3, 2, 4, 24, 16, dtype=torch.float64).unbind()
    expected = torch.einsum("bhid,bhjd->bhij", q, k).div(4).softmax(3) @ v
    torch.testing.assert_close(attention(q, k, v), expected)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_attention_to_a_mask_is_that_to_its_tokens_alone(dtype):
    torch.manual_seed(0)
    q, k, v = torch.randn(3, 1, 2, 7, 8, dtype=dtype).unbind()
    mask = torch.tensor([[True, False, True, True, False, True, False]])
    expected = attention(q, k[:, :, mask[0]], v[:, :, mask[0]])
    torch.testing.assert_close(attention(q, k, v, mask), expected)


def test_tokens_outside_of_the_mask_have_no_influence_on_a_block():
    torch.manual_seed(0)
    block = Block(16, 4, 2.0, 1e-6).double()
    x, condition = torch.randn(2, 5, 16).double(), torch.randn(2, 16).double()
    mask = torch.arange(5) < torch.tensor([[5], [3]])
    found = block(x, condition, mask)
    changed = torch.where(mask[..., None], x, 9.0)
    torch.testing.assert_close(block(changed, condition, mask)[mask], found[mask])
    torch.testing.assert_close(block(x[1:, :3], condition[1:]), found[1:, :3])
