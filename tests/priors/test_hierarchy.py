"""Long clips by sparse frames and the frames between them."""

import math

import pytest
import torch
from torch import nn

from ldm.objectives import Regression
from ldm.priors import Hierarchy
from ldm.processes import GaussianDiffusion
from ldm.randomness import sample_generators
from ldm.samplers import DDIM
from ldm.spaces import Flat


def generator():
    return torch.Generator().manual_seed(0)


class Line(nn.Module):
    """Predicts the noise exactly where latents are `place / 10`; remembers the shapes it read.

    A window of keys goes on from its first latent, 0 if it is not given, by 4 places a key; the
    latents between two keys are those on the line from one to the other.
    """

    def __init__(self, process, keys: bool) -> None:
        super().__init__()
        self.gain, self.process, self.keys, self.read = (
            nn.Parameter(torch.zeros(())),
            process,
            keys,
            [],
        )

    def forward(self, noisy, t, frames=None, frames_given=None, frames_level=None):
        self.read.append((tuple(noisy.shape), frames_given))
        clean = torch.zeros_like(noisy)
        if frames is not None:
            alpha, _ = self.process.alpha_sigma(frames_level)
            clean = clean + (frames / alpha.view(-1, 1, 1, 1))[:, :, :1]
        steps = torch.arange(noisy.shape[2]) * (0.4 if self.keys else 0.1)
        clean = clean + steps.view(1, 1, -1, 1)
        alpha, sigma = (scale.view(-1, 1, 1, 1) for scale in self.process.alpha_sigma(t))
        return (noisy - alpha * clean) / sigma + self.gain


def hierarchy(length, **options):
    # Given frames are as good as clean at level 0 of this schedule.
    process = GaussianDiffusion(Flat([2, length, 1]), start=1e-8, end=0.04)
    networks = Line(process, keys=True), Line(process, keys=False)
    return Hierarchy(*networks, process, Regression(absolute=True), level=0, **options)


@pytest.mark.parametrize("length", [1, 4, 16, 64])
def test_keys_and_windows_are_as_many_as_published(length):
    prior = hierarchy(length)
    drawn = prior.sample(1, {}, DDIM(1), generator())
    assert drawn.shape == (1, 2, length, 1)
    keys = math.ceil((length + 3) / 4)
    predictions = max(math.ceil((keys - 4) / 3), 0)
    assert len(prior.keys.backbone.read) == 1 + predictions
    assert len(prior.between.backbone.read) == keys - 1
    assert prior.network_calls == predictions + keys


def test_a_clip_of_1024_frames_takes_21_predictions_and_no_network_reads_more_than_a_window():
    prior = hierarchy(1024 // 4)
    drawn = prior.sample(1, {}, DDIM(1), generator())
    assert drawn.shape == (1, 2, 256, 1)
    assert len(prior.keys.backbone.read) == 1 + 21
    assert len(prior.between.backbone.read) == 64
    assert {shape for shape, _ in prior.keys.backbone.read} == {(1, 2, 4, 1)}
    assert {shape for shape, _ in prior.between.backbone.read} == {(1, 2, 5, 1)}


def test_each_window_goes_on_from_the_last_key_and_gaps_are_filled_in_order():
    drawn = hierarchy(30).sample(2, {}, DDIM(5), sample_generators(0, [0, 1]))
    expected = torch.arange(30).view(1, 1, -1, 1).expand_as(drawn) / 10
    assert torch.allclose(drawn, expected, atol=5e-3)


def test_longer_clips_begin_as_shorter_ones():
    class Noisy(Line):
        def forward(self, noisy, t, **told):
            return 0.5 * super().forward(noisy, t, **told)

    def drawn(length):
        process = GaussianDiffusion(Flat([2, length, 1]), steps=50)
        networks = Noisy(process, keys=True), Noisy(process, keys=False)
        prior = Hierarchy(*networks, process, Regression(), levels=50, level=10)
        return prior.sample(2, {}, DDIM(3), sample_generators(0, [0, 1]))

    assert torch.equal(drawn(33)[:, :, :16], drawn(16))


def test_training_reads_every_fourth_latent_and_any_five_that_follow_each_other():
    prior = hierarchy(16, first=1.0, ends=1.0)
    read = []
    for part in (prior.keys, prior.between):
        part.process.mix = lambda latent, eps, t: latent  # so that networks read latents
        part.backbone.forward = lambda noisy, t, **told: read.append((noisy, told)) or noisy
    latent = torch.arange(16.0).view(1, 1, -1, 1).expand(64, 2, -1, 1)
    losses = prior.loss(latent, {}, generator())
    assert set(losses) == {"prediction", "interpolation"}
    (keys, of_keys), (windows, of_windows) = read
    assert keys[:, 0, :, 0].unique(dim=0).tolist() == [[0, 4, 8, 12]]
    starts = windows[:, 0, :1, 0]
    assert torch.equal(windows[:, 0, :, 0], starts + torch.arange(5))
    assert set(starts.flatten().tolist()) == set(range(12))
    assert of_keys["frames_given"].unique(dim=0).tolist() == [[True, False, False, False]]
    assert of_windows["frames_given"].unique(dim=0).tolist() == [[True, False, False, False, True]]


def test_a_window_may_hold_all_keys_of_a_clip_and_no_longer_ones_are_then_drawn():
    """Sixteen key frames and three between each two are 61 frames, as in MagicVideo."""
    prior = hierarchy(61, keys=16, first=0.0)
    drawn = prior.sample(1, {}, DDIM(5), generator())
    assert torch.allclose(drawn[0, 0, :, 0], torch.arange(61) / 10, atol=5e-3)
    assert len(prior.keys.backbone.read) == 5
    assert len(prior.between.backbone.read) == 15 * 5
    assert prior.loss(drawn, {}, generator())["interpolation"].isfinite().all()
    with pytest.raises(ValueError, match=r"at most 61 latents, found .*62.*ask for fewer frames"):
        hierarchy(62, keys=16, first=0.0)


def test_a_training_starts_from_a_prior_of_one_network():
    process = GaussianDiffusion(Flat([2, 16, 1]))
    prior = Hierarchy(nn.Linear(2, 1), nn.Linear(2, 1), process, Regression())
    started = prior.starting({"backbone.bias": torch.tensor([7.0]), "other": torch.zeros(1)})
    assert started.keys() == {"keys.backbone.bias", "between.backbone.bias", "other"}
    prior.load_state_dict({"between.backbone.bias": started["between.backbone.bias"]}, strict=False)
    assert prior.between.backbone.bias.item() == 7


def test_each_network_is_trained_by_its_own_loss_alone():
    prior, latent = hierarchy(16), torch.randn(2, 2, 16, 1)
    losses = prior.loss(latent, {}, generator())
    losses["prediction"].sum().backward()
    assert prior.keys.backbone.gain.grad is not None
    assert prior.between.backbone.gain.grad is None


def test_it_rehearses_with_networks_that_give_zero_and_describes_itself_briefly():
    prior = hierarchy(16)
    networks = prior.keys.backbone, prior.between.backbone
    prior.rehearse({}, DDIM(3), None)
    assert (prior.keys.backbone, prior.between.backbone) == networks
    assert prior.brief().space == prior.space
    with pytest.raises(ValueError, match="needs a sampler"):
        prior.sample(1, {}, None)


def test_clips_that_are_too_short_or_no_clips_are_refused():
    with pytest.raises(ValueError, match="4 keys reach over 13 latents, and clips have 12"):
        hierarchy(12).loss(torch.zeros(1, 2, 12, 1), {}, generator())
    process = GaussianDiffusion(Flat([4]))
    with pytest.raises(ValueError, match="on grids of reals"):
        Hierarchy(nn.Linear(1, 1), nn.Linear(1, 1), process, Regression())
