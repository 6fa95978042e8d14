"""Relative positions equal their sums, written out; published weights need the transposed form."""

import pytest
import torch

from ldm.networks.videos.lvdm.positions import RelativeAttention


def by_loops(layer, q, k, v):
    """One head of one clip: the formulas of the docstring, place by place."""
    frames, width = q.shape
    row = {d: max(-layer.frames, min(layer.frames, d)) + layer.frames for d in range(-9, 10)}
    keys, values = layer.keys.weight, layer.values.weight
    out = torch.zeros_like(v)
    for t in range(frames):
        logits = q.new_zeros(frames)
        for s in range(frames):
            if layer.positions == "shaw":
                logits[s] = q[t] @ (k[s] + keys[row[s - t]]) / width**0.5
            else:
                logits[s] = q[t] @ k[s] / width**0.5 + q[s] @ keys[row[t - s]] / width**0.25
        weights = logits.softmax(0)
        out[t] = sum(weights[s] * (v[s] + values[row[s - t]]) for s in range(frames))
    return out


@torch.no_grad()
@pytest.mark.parametrize("positions", ["transposed", "shaw"])
def test_attention_is_the_sum_that_it_says(positions):
    layer = RelativeAttention(3, frames=2, positions=positions).double()
    q, k, v = torch.randn(3, 2, 2, 5, 3, dtype=torch.float64)
    found = layer(q, k, v)
    for sample in range(2):
        for head in range(2):
            one = (part[sample, head] for part in (q, k, v))
            expected = by_loops(layer, *one)
            assert torch.allclose(found[sample, head], expected, rtol=0, atol=1e-12)


@torch.no_grad()
def test_the_two_forms_differ():
    one, other = (RelativeAttention(4, 3, positions) for positions in ("transposed", "shaw"))
    other.load_state_dict(one.state_dict())
    parts = torch.randn(3, 1, 1, 4, 4)
    assert (one(*parts) - other(*parts)).abs().max() > 1e-2
