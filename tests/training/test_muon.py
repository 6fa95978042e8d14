"""Which parameters are whose, against the two optimizers themselves."""

import copy

import pytest
import torch
from torch import nn

from ldm.training import MuonAdamW


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 8), nn.SiLU(), nn.Linear(8, 8), nn.SiLU(), nn.Linear(8, 2))


def train(model, optimizers, steps):
    x = torch.randn(16, 3, generator=torch.Generator().manual_seed(1))
    for _ in range(steps):
        model.zero_grad()
        (model(x) - x[:, :2].sin()).square().mean().backward()
        for optimizer in optimizers:
            optimizer.step()
    return [p.detach().clone() for p in model.parameters()]


def test_it_is_muon_on_square_matrices_and_adamw_elsewhere():
    ours, theirs = network(), network()
    square = [theirs[2].weight]
    rest = [p for p in theirs.parameters() if p is not square[0]]
    apart = [
        torch.optim.Muon(square, lr=1e-2, weight_decay=0.1, momentum=0.95),
        torch.optim.AdamW(rest, lr=1e-3, weight_decay=0.0),
    ]
    one = [MuonAdamW(ours.parameters())]
    torch.testing.assert_close(train(ours, one, 5), train(theirs, apart, 5), rtol=0, atol=0)


def test_longer_matrices_are_muons_up_to_a_ratio_of_their_sides():
    ours, theirs = network(), network()
    hidden = [theirs[2].weight, theirs[0].weight]  # 8 x 8 and 8 x 3; the last is 2 x 8
    rest = [p for p in theirs.parameters() if not any(p is q for q in hidden)]
    apart = [
        torch.optim.Muon(hidden, lr=1e-2, weight_decay=0.1, momentum=0.95),
        torch.optim.AdamW(rest, lr=1e-3, weight_decay=0.0),
    ]
    one = [MuonAdamW(ours.parameters(), stretch=3)]
    torch.testing.assert_close(train(ours, one, 5), train(theirs, apart, 5), rtol=0, atol=0)


def test_a_restored_state_goes_on_as_if_never_stopped():
    whole = network()
    expected = train(whole, [MuonAdamW(whole.parameters())], 6)
    model = network()
    optimizer = MuonAdamW(model.parameters())
    train(model, [optimizer], 3)
    state = copy.deepcopy(optimizer.state_dict())
    again = MuonAdamW(model.parameters(), lr=1.0)  # the state brings its own rate
    again.load_state_dict(state)
    torch.testing.assert_close(train(model, [again], 3), expected, rtol=0, atol=0)


def test_rates_can_be_scheduled_through_its_groups():
    model = network()
    optimizer = MuonAdamW(model.parameters())
    before = [p.detach().clone() for p in model.parameters()]
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    torch.testing.assert_close(train(model, [optimizer], 1), before, rtol=0, atol=0)


def test_a_model_without_square_matrices_is_refused():
    with pytest.raises(ValueError, match="train with AdamW"):
        MuonAdamW(nn.Linear(3, 2).parameters())
