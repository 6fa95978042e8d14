"""One step of optimisation: parts of a batch, clipping, precision, and losses that blow up."""

import functools
import json
import logging
import math
import signal

import pytest
import torch

from ldm.networks.execution import fast_precision
from ldm.randomness import normal
from ldm.stopping import Stopped
from ldm.training import Cosine, Diverged
from ldm.training.checkpoints import SaveCheckpoint

SGD = functools.partial(torch.optim.SGD, lr=0.05)


def weights(training):
    return torch.cat([p.detach().flatten() for p in training.model.parameters()])


@pytest.mark.parametrize("parts", [2, 4, 7])
def test_a_batch_in_parts_has_the_gradient_of_the_whole(tokenizer_training, run, tmp_path, parts):
    whole, cut = (
        run(tokenizer_training(optimizer=SGD, clip=0.5), tmp_path / str(n), accumulate=n)
        for n in (1, parts)
    )
    torch.testing.assert_close(weights(cut), weights(whole), rtol=1e-4, atol=1e-6)


def test_parts_of_an_adversarial_batch_train_the_discriminator_on_all_of_it(
    tokenizer_training, run, tmp_path
):
    training = tokenizer_training(adversarial=True, samples=256)
    seen = []
    loss = training.adversarial.discriminator_loss
    training.adversarial.discriminator_loss = lambda real, *others: (
        seen.append(len(real)) or loss(real, *others)
    )
    run(training, tmp_path, accumulate=4)
    assert seen == [16] * 16


def test_the_step_is_the_clipped_gradient_of_the_whole_batch(tokenizer_training, run, tmp_path):
    start = weights(tokenizer_training())
    options = {"optimizer": functools.partial(torch.optim.SGD, lr=1.0), "samples": 64}
    free = run(tokenizer_training(**options), tmp_path / "free")
    norm = free.logs["grad_norm"]
    torch.testing.assert_close((weights(free) - start).norm(), norm, rtol=1e-4, atol=0)
    clip = norm.item() / 3
    clipped = run(tokenizer_training(clip=clip, **options), tmp_path / "clipped", accumulate=4)
    moved = weights(clipped) - start
    torch.testing.assert_close(moved, (weights(free) - start) / 3, rtol=1e-3, atol=1e-6)
    torch.testing.assert_close(clipped.logs["grad_norm"], norm)  # of the gradient before


def test_the_rate_follows_its_schedule_also_after_a_resume(tokenizer_training, run, tmp_path):
    rates = []

    class Watched(torch.optim.SGD):
        def step(self, closure=None):
            rates.append(self.param_groups[0]["lr"])
            return super().step(closure)

    def make(samples):
        watched = functools.partial(Watched, lr=0.1)
        return tokenizer_training(optimizer=watched, samples=512, schedule=Cosine(warmup=128))

    first = make(512)
    first.samples = 256  # interrupted
    first.schedule = lambda seen, _: Cosine(warmup=128)(seen, 512)
    run(first, tmp_path)
    run(make(512), tmp_path)
    expected = [0.1 * Cosine(warmup=128)(seen, 512) for seen in range(0, 512, 64)]
    assert rates == pytest.approx(expected)


def test_loading_in_other_processes_changes_nothing(
    tokenizer_training, digits, run, tmp_path, monkeypatch
):
    here = run(tokenizer_training("gaussian", samples=192), tmp_path / "here")
    monkeypatch.setattr(digits, "workers", 2)
    there = run(tokenizer_training("gaussian", samples=192), tmp_path / "there")
    assert torch.equal(weights(here), weights(there))


def test_noise_depends_on_seed_rank_and_samples_seen_alone(tokenizer_training, monkeypatch):
    training = tokenizer_training("gaussian")
    drawn = []
    training.optimize = lambda parts, generator: (
        drawn.append((normal((2, 3), generator), torch.rand(3))) or {"loss": torch.zeros(())}
    )
    batch = {"x": torch.zeros(4, 1, 8, 8)}

    def step(seen, rank=0, seed=0):
        monkeypatch.setattr(type(training), "global_rank", rank)
        training.samples_seen, training.seed = seen, seed
        torch.rand(5)  # whatever happened before
        training.training_step(batch, 0)
        return drawn[-1]

    noise, dropout = step(64)
    again = step(64)
    assert torch.equal(noise, again[0])
    assert torch.equal(dropout, again[1])
    for other in (step(128), step(64, rank=1), step(64, seed=1)):
        assert not torch.equal(noise, other[0])
        assert not torch.equal(dropout, other[1])


def test_bf16_trains_and_keeps_weights_in_float32(
    tokenizer_training, prior_training, run, tmp_path
):
    for name, make in (("tokenizer", tokenizer_training), ("prior", prior_training)):
        full = run(make(), tmp_path / name / "full")
        half = run(make(), tmp_path / name / "half", precision="bf16-mixed")
        assert {p.dtype for p in half.model.parameters()} == {torch.float32}
        assert not torch.equal(weights(half), weights(full))  # it did compute in another precision
        torch.testing.assert_close(half.logs["loss"], full.logs["loss"], rtol=0.05, atol=0)


@pytest.mark.parametrize(
    ("amx", "avx512", "expected"),
    [(True, False, "bf16-mixed"), (False, True, "bf16-mixed"), (False, False, "32-true")],
)
def test_bf16_is_chosen_where_the_cpu_has_it(amx, avx512, expected, monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512)
    assert fast_precision("cpu") == expected


def test_the_chosen_precision_is_what_trains_and_is_noted(
    prior_training, run, tmp_path, monkeypatch
):
    monkeypatch.setattr("ldm.training.fit.fast_precision", lambda accelerator: "bf16-mixed")
    half = run(prior_training(), tmp_path / "half", precision="bf16-mixed")
    chosen = run(prior_training(), tmp_path / "chosen", precision="auto")
    assert torch.equal(weights(chosen), weights(half))
    (effort,) = (tmp_path / "chosen").rglob("effort.json")
    assert json.loads(effort.read_text())["machine"].endswith("bf16-mixed")


def test_recomputed_activations_give_the_same_gradient(prior_training, run, tmp_path):
    kept = run(prior_training(samples=192), tmp_path / "kept")
    recomputed = run(prior_training(samples=192), tmp_path / "recomputed", checkpointing=True)
    assert recomputed.model.backbone.checkpointing
    assert not recomputed.ema.model.backbone.checkpointing
    assert torch.equal(weights(kept), weights(recomputed))


def test_a_compiled_prior_trains_alike_under_the_same_names(
    prior_training, run, tmp_path, monkeypatch
):
    compile = torch.nn.Module.compile  # all of it but the slow generation of code
    monkeypatch.setattr(torch.nn.Module, "compile", lambda m: compile(m, backend="eager"))
    plain = run(prior_training(samples=64), tmp_path / "plain")
    compiled = run(prior_training(samples=64), tmp_path / "compiled", compile=True)
    assert all(block._compiled_call_impl for block in compiled.model.backbone.blocks)
    assert compiled.state_dict().keys() == plain.state_dict().keys()
    torch.testing.assert_close(weights(compiled), weights(plain), rtol=1e-3, atol=1e-4)


class Bad:
    """Makes the loss of a step that begins at so many samples not finite, or its gradient."""

    def __init__(self, training, at, spoil):
        self.training, self.at, self.spoil, self.loss = training, at, spoil, training.loss[0]
        training.loss[0] = training.frozen[0] = self

    def __call__(self, x, y):
        terms = self.loss(x, y)
        if self.training.samples_seen == self.at:
            terms["pixel"] = self.spoil(terms["pixel"])
        return terms

    def to(self, device):
        return self

    def eval(self):
        return self

    def requires_grad_(self, _):
        return self


def infinite_slope(loss):
    return loss + (loss - loss.detach()).abs().sqrt()  # zero at zero, and vertical there


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        (lambda loss: loss * math.nan, "loss, pixel"),
        (lambda loss: loss * math.inf, "loss, pixel"),
        (infinite_slope, "grad_norm"),
    ],
)
@pytest.mark.parametrize("clip", [None, 1.0])
def test_a_loss_or_gradient_that_is_not_finite_stops_with_the_last_good_checkpoint(
    tokenizer_training, run, tmp_path, spoil, named, clip
):
    training = tokenizer_training(clip=clip)
    Bad(training, 320, spoil)
    with pytest.raises(
        Diverged, match=f"{named}.* not finite after 320 samples(?s:.*)allow_change="
    ):
        run(training, tmp_path)
    checkpoint = torch.load(tmp_path / "checkpoints/last.ckpt", weights_only=True)
    assert checkpoint["samples_seen"] == 256
    leaves = torch.utils._pytree.tree_leaves(checkpoint)
    assert all(x.isfinite().all() for x in leaves if torch.is_tensor(x) and x.is_floating_point())
    assert weights(training).isfinite().all()
    assert run(tokenizer_training(clip=clip), tmp_path).samples_seen == 512


def test_lightning_does_not_speak_of_its_epochs():
    for name in ("pytorch_lightning.utilities.rank_zero", "lightning_fabric.utilities.distributed"):
        assert not logging.getLogger(name).isEnabledFor(logging.INFO)
        assert logging.getLogger(name).isEnabledFor(logging.WARNING)


def test_weights_that_are_not_finite_never_replace_a_checkpoint(tokenizer_training, run, tmp_path):
    training = tokenizer_training()
    save = SaveCheckpoint.save

    def poisoned(self, trainer):
        if training.samples_seen == 384:
            next(training.model.parameters()).data[0] = math.inf
        save(self, trainer)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SaveCheckpoint, "save", poisoned)
        with pytest.raises(Diverged, match=r"encoder.*384 samples"):
            run(training, tmp_path)
    checkpoint = torch.load(tmp_path / "checkpoints/last.ckpt", weights_only=True)
    assert checkpoint["samples_seen"] == 256


def test_a_rank_whose_partner_has_already_stopped_stops_for_the_same_signal(
    tokenizer_training, monkeypatch
):
    def gone(_):
        raise RuntimeError("Connection closed by peer")

    training = tokenizer_training()
    monkeypatch.setattr("ldm.distributed.largest", gone)
    with pytest.raises(RuntimeError, match="by peer"):
        training.told_to_stop()
    training.stop.asked = signal.SIGINT
    with pytest.raises(Stopped, match="stopped by SIGINT, what was finished is kept"):
        training.told_to_stop()


def test_a_checkpoint_holds_the_averaged_weights_beside_the_others(
    tokenizer_training, run, tmp_path
):
    training = run(tokenizer_training(ema=0.5), tmp_path)
    state = torch.load(tmp_path / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
    for name, value in training.ema.model.state_dict().items():
        assert torch.equal(state[f"ema.model.{name}"], value)
    assert not torch.equal(state["ema.model.decoder.2.weight"], state["model.decoder.2.weight"])
