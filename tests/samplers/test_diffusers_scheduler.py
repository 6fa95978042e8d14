"""Every scheduler draws Gaussian data, and does what a loop over diffusers would do."""

from functools import partial

import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    HeunDiscreteScheduler,
    LMSDiscreteScheduler,
    PNDMScheduler,
    UniPCMultistepScheduler,
)
from drawing import draw
from torch import nn

from ldm.objectives import Regression
from ldm.processes import GaussianDiffusion, LinearFlow
from ldm.randomness import sample_generators
from ldm.samplers import DDIM, DDPM, PLMS, DiffusersScheduler, Sampler
from ldm.spaces import Flat
from ldm.tensors import like

SPACE = Flat([4, 8, 8])
LINEAR = GaussianDiffusion(SPACE, "linear")
SCALED = GaussianDiffusion(SPACE, "scaled_linear")


def generator():
    return torch.Generator().manual_seed(0)


def trailing(scheduler, steps, **options):
    """A sampler of our own, or the adapter of a scheduler."""
    if issubclass(scheduler if isinstance(scheduler, type) else scheduler.func, Sampler):
        return scheduler(steps, **options)
    return DiffusersScheduler(partial(scheduler, timestep_spacing="trailing"), steps)


class Convolution(nn.Module):
    """A small network of noisy latents and their time, different at every seed."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.layers = nn.Sequential(
                nn.Conv2d(5, 16, 3, padding=1), nn.SiLU(), nn.Conv2d(16, 4, 3, padding=1)
            )

    def forward(self, noisy, t):
        time = like(t / 1000, noisy).expand(-1, 1, 8, 8)
        return self.layers(torch.cat([noisy, time], 1))


def wrapped(target, process, network):
    objective = Regression(target)

    @torch.no_grad()
    def denoise(noisy, t, condition):
        return objective.read(network(noisy, t), process, noisy, t)

    return denoise


@pytest.mark.parametrize(
    ("scheduler", "steps"),
    [
        (DDIM, 250),
        (PLMS, 50),
        (DPMSolverMultistepScheduler, 50),
        (UniPCMultistepScheduler, 50),
        (EulerDiscreteScheduler, 250),
        (HeunDiscreteScheduler, 100),
    ],
)
def test_deterministic_schedulers_follow_the_probability_flow(scheduler, steps, data):
    x = draw(trailing(scheduler, steps), data.denoise(LINEAR), LINEAR, 4, generator())
    exact = data.flow_to_data(LINEAR, SPACE.random(4, generator()), torch.full((4,), 999))
    # Noise is at most four deviations out: 0.03 there is an error of 2.5 % in the deviation.
    assert (x - exact).abs().max() < 0.03


def test_ddim_takes_all_of_ldms_steps_to_the_data(data):
    x = draw(trailing(DDIM, 1000), data.denoise(SCALED), SCALED, 4, generator())
    exact = data.flow_to_data(SCALED, SPACE.random(4, generator()), torch.full((4,), 999))
    # The last step leaves nothing of the noise that step 0 has, 0.0015 of variance: it ends at the
    # mean given what is seen, whose deviation is less by sqrt(1 + 0.0015 / 0.3^2).
    assert (x - data.mean).std() / (exact - data.mean).std() == pytest.approx(0.99, abs=0.008)
    assert (x - exact).abs().max() < 0.03


@pytest.mark.parametrize(
    ("scheduler", "steps", "options"),
    [(DDPM, 1000, {}), (DDIM, 500, {"eta": 1.0})],
)
def test_stochastic_schedulers_draw_the_right_mean_and_deviation(scheduler, steps, options, data):
    sampler = trailing(scheduler, steps, **options)
    x = draw(sampler, data.denoise(LINEAR), LINEAR, 64, generator())
    # 16384 numbers: four standard errors, and 1.5 % for the steps being finite.
    assert x.mean().item() == pytest.approx(0.5, abs=4 * 0.3 / 128 + 0.003)
    assert x.std().item() == pytest.approx(0.3, rel=4 / 181 + 0.015)


@pytest.mark.parametrize(
    "scheduler",
    [
        DDPM,
        DDIM,
        PLMS,
        DPMSolverMultistepScheduler,
        UniPCMultistepScheduler,
        EulerDiscreteScheduler,
        HeunDiscreteScheduler,
    ],
)
@pytest.mark.parametrize("mean", [5.0, -20.0])
def test_latents_far_from_zero_are_not_clipped(scheduler, mean, data):
    data.mean = mean
    x = draw(trailing(scheduler, 100), data.denoise(LINEAR), LINEAR, 4, generator())
    assert x.mean().item() == pytest.approx(mean, abs=0.1)


@pytest.mark.parametrize(
    ("sampler", "scheduler", "options"),
    [
        (DDIM, partial(DDIMScheduler, clip_sample=False), {"eta": 0.7}),
        (DDPM, partial(DDPMScheduler, clip_sample=False), {}),
        (partial(PLMS, clean=False), partial(PNDMScheduler, skip_prk_steps=True), {}),
        *(
            (None, scheduler, {})
            for scheduler in (
                DPMSolverMultistepScheduler,
                UniPCMultistepScheduler,
                EulerDiscreteScheduler,
                HeunDiscreteScheduler,
            )
        ),
    ],
)
def test_it_does_what_a_loop_over_diffusers_does(sampler, scheduler, options):
    network = Convolution()
    sampler = trailing(sampler or scheduler, 20, **options)
    found = draw(sampler, wrapped("eps", SCALED, network), SCALED, 2, generator())

    theirs = scheduler(
        beta_start=0.0015,
        beta_end=0.0195,
        beta_schedule="scaled_linear",
        timestep_spacing="trailing",
        prediction_type="epsilon",
    )
    theirs.set_timesteps(20)
    random = generator()
    own = {"generator": random} if options or "DDPM" in str(scheduler) else {}
    x = torch.randn(2, *SPACE.shape, generator=random) * theirs.init_noise_sigma
    with torch.no_grad():
        for t in theirs.timesteps:
            eps = network(theirs.scale_model_input(x, t), t.expand(2))
            x = theirs.step(eps, t, x, **options, **own).prev_sample
    torch.testing.assert_close(found, x, rtol=1e-3, atol=1e-3)


def test_ddim_with_all_its_noise_is_ddpm():
    denoise = wrapped("v", LINEAR, Convolution())
    found, expected = (
        draw(trailing(scheduler, 50, **options), denoise, LINEAR, 2, generator())
        for scheduler, options in ((DDIM, {"eta": 1.0}), (DDPM, {}))
    )
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_ldms_ddim_is_a_matter_of_options():
    # LDM: steps range(0, 1000, 20) + 1, and the last one ends at the signal of step 0, not at 1.
    ldm = DDIM(50, spacing="leading", offset=1, clean=False)
    network = Convolution()
    denoise = wrapped("eps", SCALED, network)
    found = draw(ldm, denoise, SCALED, 2, generator())

    x = SPACE.random(2, generator())
    steps = torch.arange(0, 1000, 20) + 1
    signals = SCALED.alpha_bar.float()
    for i in reversed(range(50)):
        signal, before = signals[steps[i]], signals[steps[i - 1] if i else 0]
        eps = network(x, steps[i].expand(2)).detach()
        x0 = (x - (1 - signal).sqrt() * eps) / signal.sqrt()
        x = before.sqrt() * x0 + (1 - before).sqrt() * eps
    torch.testing.assert_close(found, x, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("scheduler", [DDPM, DDIM, DPMSolverMultistepScheduler])
def test_what_the_network_was_trained_on_does_not_matter(scheduler, data):
    def sample(target):
        def network(noisy, t):
            x0, eps = data.denoise(LINEAR)(noisy, t, {})
            alpha, sigma = (like(scale, noisy) for scale in LINEAR.alpha_sigma(t))
            return {"eps": eps, "x0": x0, "v": alpha * eps - sigma * x0}[target]

        denoise = wrapped(target, LINEAR, network)
        return draw(trailing(scheduler, 30), denoise, LINEAR, 2, generator())

    # An eps network's x0 loses the digits that alpha = 0.006 has too few of.
    torch.testing.assert_close(sample("eps"), sample("v"), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(sample("x0"), sample("v"), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("scheduler", "options"),
    [
        (DDPM, {}),
        (DDIM, {"eta": 1.0}),
        (partial(DPMSolverMultistepScheduler, algorithm_type="sde-dpmsolver++"), {}),
        (UniPCMultistepScheduler, {}),
    ],
)
def test_samples_do_not_depend_on_the_batch(scheduler, options):
    sampler = trailing(scheduler, 10, **options)
    denoise = wrapped("v", LINEAR, Convolution())

    def sample(indices):
        own = tuple(sample_generators(1, indices))
        return draw(sampler, denoise, LINEAR, len(indices), own)

    parts = torch.cat([sample([0, 1]), sample([2]), sample([3])])
    # Not bit for bit: a convolution may sum in another order when its batch has another size.
    torch.testing.assert_close(sample([0, 1, 2, 3]), parts, rtol=1e-4, atol=1e-5)


def test_ddim_draws_nothing_but_its_start(data):
    sampler = trailing(DDIM, 10)
    random = generator()
    x = draw(sampler, data.denoise(LINEAR), LINEAR, 2, random)
    again = draw(sampler, data.denoise(LINEAR), LINEAR, 2, generator())
    torch.testing.assert_close(x, again, rtol=0, atol=0)
    start_only = generator()
    SPACE.random(2, start_only)
    assert torch.equal(random.get_state(), start_only.get_state())


@pytest.mark.parametrize("scheduler", [DDPM, DDIM])
@pytest.mark.parametrize("target", ["x0", "v"])
def test_a_schedule_that_ends_in_pure_noise_stays_exact(scheduler, target, data):
    process = GaussianDiffusion(SPACE, "linear")
    root = process.alpha_bar.sqrt()  # Lin et al. 2024, algorithm 1: shifted to end at 0
    signal = ((root - root[-1]) * root[0] / (root[0] - root[-1])).square()
    process.alpha_bar = signal
    process.betas = 1 - signal / torch.cat([signal.new_ones(1), signal[:-1]])

    def network(noisy, t):
        x0, eps = data.denoise(process)(noisy, t, {})
        alpha, sigma = (like(scale, noisy) for scale in process.alpha_sigma(t))
        return {"x0": x0, "v": alpha * eps - sigma * x0}[target]

    sampler = trailing(scheduler, 200)
    x = draw(sampler, wrapped(target, process, network), process, 64, generator())
    assert x.mean().item() == pytest.approx(0.5, abs=0.02)
    assert x.std().item() == pytest.approx(0.3, abs=0.02)


def test_the_cosine_schedule_keeps_its_digits(data):
    process = GaussianDiffusion(SPACE, "cosine")
    x = draw(trailing(DDIM, 500), data.denoise(process), process, 4, generator())
    exact = data.flow_to_data(process, SPACE.random(4, generator()), torch.full((4,), 999))
    assert (x - exact).abs().max() < 0.02


def test_the_network_reads_whole_steps_of_every_scheduler(data):
    for scheduler in (DDIM, EulerDiscreteScheduler):
        times = []

        def denoise(noisy, t, condition, times=times):
            times.append(t)
            return data.denoise(LINEAR)(noisy, t, condition)

        draw(trailing(scheduler, 4), denoise, LINEAR, 2, generator())
        assert torch.equal(torch.stack(times), torch.tensor([999, 749, 499, 249]).expand(2, 4).T)


def test_stops_between_the_steps_are_refused(data):
    with pytest.raises(ValueError, match="LMSDiscreteScheduler stops between the 1000 steps"):
        draw(DiffusersScheduler(LMSDiscreteScheduler, 7), data.denoise(LINEAR), LINEAR, 2)


@pytest.mark.parametrize("eta", [-0.1, 1.5, float("nan")])
def test_noise_beyond_that_of_ddpm_is_refused(eta):
    with pytest.raises(ValueError, match=f"eta is 0 .no noise. to 1 .that of DDPM., got {eta}"):
        trailing(DDIM, 10, eta=eta)


def test_a_flow_is_refused(data):
    flow = LinearFlow(SPACE)
    with pytest.raises(ValueError, match="got a LinearFlow: sample a flow with EulerODE"):
        draw(trailing(DDIM, 7), data.denoise(flow), flow, 2)


def test_options_that_follow_from_the_prior_are_refused():
    other = partial(UniPCMultistepScheduler, beta_schedule="squaredcos_cap_v2")
    with pytest.raises(ValueError, match="a scheduler's beta_schedule would be other than the pri"):
        DiffusersScheduler(other, 10)


@pytest.mark.parametrize("scheduler", [DDIMScheduler, partial(DDPMScheduler, clip_sample=False)])
def test_those_that_are_our_own_are_refused(scheduler):
    with pytest.raises(ValueError, match=r"set sampler to ldm.samplers.DD(IM|PM)"):
        DiffusersScheduler(scheduler, 10)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": 0}, "1 step or more, got 0"),
        ({"steps": 3, "spacing": "even"}, "no spacing 'even': choose one of trailing"),
        ({"steps": 3, "variance": "medium"}, "no variance 'medium': choose one of small, large"),
    ],
)
def test_options_that_no_walk_has_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        DDPM(**options)
