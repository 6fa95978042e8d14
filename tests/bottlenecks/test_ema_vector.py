"""The running means: closed forms, and the same codebook on any number of ranks."""

from datetime import timedelta

import pytest
import torch
from torch import distributed

from ldm.bottlenecks import EMAVectorQuantizer


def quantizer(**options) -> EMAVectorQuantizer:
    torch.manual_seed(0)
    bottleneck = EMAVectorQuantizer([2, 8, 8], codes=8, **options)
    bottleneck.codebook.copy_(torch.randn(8, 2))  # spread out, so that every code is used
    bottleneck.sums.copy_(bottleneck.codebook)
    return bottleneck


def features(batch: int = 4, seed: int = 1) -> torch.Tensor:
    return torch.randn(batch, 2, 8, 8, generator=torch.Generator().manual_seed(seed))


def tokens(h: torch.Tensor) -> torch.Tensor:
    return h.movedim(1, -1).reshape(-1, 2)


def test_without_memory_codes_become_the_means_of_their_tokens():
    bottleneck, h = quantizer(decay=0.0, epsilon=1e-9), features()
    codes = bottleneck(h).codes.flatten()
    assert len(codes.unique()) == 8
    means = torch.stack([tokens(h)[codes == j].mean(0) for j in range(8)])
    torch.testing.assert_close(bottleneck.codebook, means)


def test_steps_follow_the_published_formula():
    bottleneck = quantizer(decay=0.9, epsilon=0.5).double()
    n, m = torch.ones(8).double(), bottleneck.codebook.clone()
    for seed in range(3):
        h = features(seed=seed).double()
        chosen = torch.cdist(tokens(h), bottleneck.codebook).argmin(1)
        one_hot = torch.nn.functional.one_hot(chosen, 8).double()
        n = 0.9 * n + 0.1 * one_hot.sum(0)
        m = 0.9 * m + 0.1 * one_hot.T @ tokens(h)
        assert torch.equal(bottleneck(h).codes.flatten(), chosen)
        smoothed = (n + 0.5) / (n.sum() + 8 * 0.5) * n.sum()
        torch.testing.assert_close(bottleneck.codebook, m / smoothed[:, None])


def test_an_unused_code_stays_where_it_is():
    bottleneck = quantizer()
    bottleneck.codebook[3] = bottleneck.sums[3] = 100.0
    for seed in range(5):
        bottleneck(features(seed=seed))
    torch.testing.assert_close(bottleneck.codebook[3], torch.full((2,), 100.0), rtol=1e-3, atol=0)


def test_only_training_steps_move_the_codebook():
    bottleneck = quantizer()
    before = bottleneck.codebook.clone()
    with torch.no_grad():
        bottleneck(features())
    bottleneck.eval()(features())
    assert torch.equal(bottleneck.codebook, before)
    bottleneck.train()(features())
    assert not torch.equal(bottleneck.codebook, before)


def test_the_loss_is_the_commitment_alone():
    bottleneck, h = quantizer(beta=0.3), features().requires_grad_()
    encoded = bottleneck(h)
    encoded.losses["codebook"].backward()
    apart = (h - encoded.latent).detach()
    torch.testing.assert_close(encoded.losses["codebook"], 0.3 * apart.square().mean())
    torch.testing.assert_close(h.grad, 0.3 * 2 / h.numel() * apart)
    assert not list(bottleneck.parameters())


def test_everything_that_moves_is_saved_and_can_be_drawn_anew():
    trained, fresh = quantizer(), EMAVectorQuantizer([2, 8, 8], codes=8)
    trained(features())
    fresh.load_state_dict(trained.state_dict())
    assert torch.equal(trained(features()).latent, fresh(features()).latent)
    assert torch.equal(trained.codebook, fresh.codebook)
    fresh.reset_parameters()
    assert torch.equal(fresh.sums, fresh.codebook)
    assert fresh.counts.eq(1).all()


def test_codes_that_are_hardly_used_begin_anew_at_tokens_of_the_step():
    bottleneck, h = quantizer(decay=0.0, restart=2.0, epsilon=1e-9), features(batch=1)
    bottleneck.codebook[3] = bottleneck.sums[3] = 100.0  # no token is near
    codes = bottleneck(h, torch.Generator().manual_seed(0)).codes.flatten()
    used = codes.bincount(minlength=8)
    assert used[3] == 0
    for j in range(8):
        row = bottleneck.codebook[j]
        if used[j] < 2:
            assert (tokens(h) - row).abs().sum(1).min() < 1e-5
        else:
            torch.testing.assert_close(row, tokens(h)[codes == j].mean(0))
    assert bottleneck.counts.min() == 2


def test_which_tokens_they_begin_at_follows_the_generator():
    rows = []
    for seed in (0, 0, 1):
        bottleneck = quantizer(restart=2.0)  # all begin anew: n_j is 1 at first
        bottleneck(features(batch=1), torch.Generator().manual_seed(seed))
        rows.append(bottleneck.codebook)
    assert torch.equal(rows[0], rows[1])
    assert not torch.equal(rows[0], rows[2])


def test_two_ranks_with_half_the_batch_equal_one_with_the_whole(two_processes):
    def work(rank: int) -> dict:
        # The seconds that a hang may last: a rank must not wait for an evaluation of the other.
        distributed.init_process_group(
            "gloo", rank=rank, world_size=2, timeout=timedelta(seconds=50)
        )
        bottleneck = quantizer(decay=0.5)
        for seed in range(3):
            bottleneck(features(seed=seed).chunk(2)[rank])
        if rank == 0:
            bottleneck.eval()(features())
        renewed = quantizer(restart=2.0)
        renewed(features().chunk(2)[rank], torch.Generator().manual_seed(rank))
        distributed.destroy_process_group()
        return {**bottleneck.state_dict(), "renewed": renewed.codebook}

    first, second = two_processes(work)
    whole = quantizer(decay=0.5)
    for seed in range(3):
        whole(features(seed=seed))
    assert torch.equal(first["renewed"], second["renewed"])
    for name, value in whole.state_dict().items():
        assert torch.equal(first[name], second[name])
        torch.testing.assert_close(first[name], value)


@pytest.mark.parametrize("decay", [0.0, 0.99])
def test_gradients_pass_straight_through_while_the_codebook_moves(decay):
    h, weight = features().requires_grad_(), features(seed=2)
    (quantizer(decay=decay)(h).latent * weight).sum().backward()
    assert torch.equal(h.grad, weight)


def test_training_without_data_is_described_also_where_codes_begin_anew():
    with torch.device("meta"):
        bottleneck = EMAVectorQuantizer([2, 8, 8], codes=8, restart=2.0)
        assert bottleneck(torch.empty(4, 2, 8, 8)).latent.shape == (4, 2, 8, 8)
