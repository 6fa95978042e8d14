"""Attention gives the same values and gradients with every kernel."""

import torch
import torch.nn.functional as F

from ldm.networks.images.layers import attention


def test_attention_agrees_with_the_fused_kernel_in_value_and_gradient():
    torch.manual_seed(0)
    q, k, v = torch.randn(3, 2, 4, 24, 16).unbind()
    weight = torch.randn(2, 4, 24, 16)
    results = []
    for attend, dtype in (
        (F.scaled_dot_product_attention, torch.float32),
        (attention, torch.bfloat16),
    ):
        inputs = [x.to(dtype).requires_grad_() for x in (q, k, v)]
        out = attend(*inputs)
        gradients = torch.autograd.grad((out.float() * weight).sum(), inputs)
        results.append([x.float() for x in (out, *gradients)])
    for expected, got in zip(*results, strict=True):
        assert (got - expected).norm() < 0.02 * expected.norm()


def test_attention_in_double_precision_is_exact():
    q, k, v = torch.randn(3, 2, 4, 24, 16, dtype=torch.float64).unbind()
    expected = torch.einsum("bhid,bhjd->bhij", q, k).div(4).softmax(3) @ v
    torch.testing.assert_close(attention(q, k, v), expected)
