"""The averaged weights after any number of updates, in closed form."""

import pytest
import torch
from torch import nn

from ldm.training.ema import EMA


def ones() -> nn.Module:
    model = nn.BatchNorm1d(2)
    nn.init.ones_(model.weight)
    return model.double()


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.99])
def test_after_k_updates_towards_zero_the_decay_to_the_k_is_left(decay):
    model = ones()
    ema = EMA(model, decay)
    nn.init.zeros_(model.weight)
    for _ in range(7):
        ema.update(model)
    torch.testing.assert_close(ema.model.weight, torch.full((2,), decay**7).double())


def test_the_copy_evaluates_from_the_beginning_whatever_the_model_does():
    model = ones().train()
    ema = EMA(model, 0.5)
    assert not any(module.training for module in ema.model.modules())
    ema.train()
    assert not any(module.training for module in ema.modules())
    assert model.training


def test_each_update_is_a_step_of_a_geometric_sum():
    model = ones()
    ema = EMA(model, 0.9)
    expected = 1.0
    for value in (5.0, -2.0, 3.0):
        nn.init.constant_(model.weight, value)
        ema.update(model)
        expected = 0.9 * expected + 0.1 * value
    torch.testing.assert_close(ema.model.weight, torch.full((2,), expected).double())


def test_the_largest_decay_bounds_early_updates_only():
    model = ones()
    ema = EMA(model, 0.5)
    nn.init.zeros_(model.weight)
    for largest, left in ((0.1, 0.1), (0.25, 0.025), (0.9, 0.0125)):
        ema.update(model, largest)
        torch.testing.assert_close(ema.model.weight, torch.full((2,), left).double())


def test_buffers_are_copied_not_averaged():
    model = ones()
    ema = EMA(model, 0.999)
    model(torch.randn(8, 2).double() + 3)
    ema.update(model)
    assert torch.equal(ema.model.running_mean, model.running_mean)
    assert ema.model.num_batches_tracked == 1


def test_the_copy_is_its_own_has_no_gradient_and_never_trains():
    model = ones()
    ema = EMA(model, 0.5).train()
    assert not ema.model.training
    assert not any(p.requires_grad for p in ema.parameters())
    nn.init.zeros_(model.weight)
    assert ema.model.weight.sum() == 2


@pytest.mark.parametrize("decay", [-0.1, 1.0])
def test_a_decay_outside_zero_to_one_is_refused(decay):
    with pytest.raises(ValueError, match=r"\[0, 1\)"):
        EMA(ones(), decay)


def test_warmed_up_the_average_follows_the_first_step_most_of_the_way(
    tokenizer_training, run, tmp_path
):
    before = tokenizer_training().model.state_dict()
    training = run(tokenizer_training(samples=64, ema=0.999, ema_warmup=True), tmp_path)
    kept = (1 + 1) / (10 + 1)  # (1 + n) / (10 + n) after n = 1 steps
    for name, after in training.model.named_parameters():
        expected = kept * before[name] + (1 - kept) * after
        torch.testing.assert_close(training.ema.model.get_parameter(name), expected)


def test_weights_may_be_averaged_at_some_steps_alone(tokenizer_training, run, tmp_path):
    # Updates after steps 2 and 4 of 5: what step 5 changed is in no average.
    options = {"ema": 0.5, "ema_warmup": False, "ema_every": 2}
    before = tokenizer_training().model.state_dict()
    runs = {n: tokenizer_training(samples=64 * n, **options) for n in (2, 4, 5)}
    for n, training in runs.items():
        run(training, tmp_path / str(n))
    for name, start in before.items():
        second, fourth = (runs[n].model.state_dict()[name] for n in (2, 4))
        expected = start / 4 + second / 4 + fourth / 2
        torch.testing.assert_close(runs[5].ema.model.state_dict()[name], expected)


def test_averages_that_would_never_be_taken_are_refused(tokenizer_training):
    with pytest.raises(ValueError, match="every 9 steps, and there are 8"):
        tokenizer_training(samples=512, ema_every=9)
    with pytest.raises(ValueError, match="between 1"):
        tokenizer_training(ema_every=0)


@pytest.mark.parametrize("how", ["built", "moved"])
def test_the_average_of_a_bf16_model_moves_as_that_of_a_float32_one(how):
    model = nn.Linear(4, 4)
    ema = EMA(model.bfloat16() if how == "built" else model, 0.9999)
    model, ema = model.bfloat16(), ema.bfloat16()
    before = ema.model.weight.clone()
    nn.init.zeros_(model.weight)
    for _ in range(10):
        ema.update(model)
    assert ema.model.weight.dtype == torch.float32
    torch.testing.assert_close(ema.model.weight, 0.9999**10 * before, rtol=1e-6, atol=0)


def test_the_average_may_be_more_precise_but_not_less():
    assert EMA(nn.Linear(1, 1), 0.9).double().model.weight.dtype == torch.float64
    assert EMA(nn.Linear(1, 1), 0.9).half().model.weight.dtype == torch.float32


@pytest.mark.parametrize(("samples", "warm"), [(64 * 100, True), (64 * 460, False)])
def test_short_training_warms_its_average_up_unless_told_otherwise(
    tokenizer_training, samples, warm
):
    assert (0.99 ** (samples // 64) > 0.01) == warm  # of the initial weights
    assert bounded(tokenizer_training(samples=samples, ema=0.99)) == warm
    for chosen in (True, False):
        assert bounded(tokenizer_training(samples=samples, ema=0.99, ema_warmup=chosen)) == chosen


def bounded(training) -> bool:
    """True if the decay of the average is bounded in the first step."""
    return training.pace(0, training.samples)[1] < 1
