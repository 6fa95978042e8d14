"""The best average is kept, whenever the run was cut off."""

import functools

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from ldm.hub import weights
from ldm.objectives import FlowMatching
from ldm.priors import Denoiser
from ldm.processes import GeodesicFlow
from ldm.samplers import Likelihood, Unsolved
from ldm.spaces import Sphere
from ldm.tokenizers import Identity
from ldm.training import PriorTraining, Selection, TrainerOptions
from ldm.training.fit import fit
from ldm.training.selection import KeepBest

SPHERE = Sphere(2)
TOP = torch.tensor([0.0, 0.0, 1.0])
POINTS = SPHERE.project(TOP + 0.3 * torch.randn(256, 3, generator=torch.Generator().manual_seed(0)))
BATCHES = [{"x": part} for part in POINTS[:48].split(20)]  # of the val split, the last one smaller
SAMPLES, SIZE = 1024, 64


class Slope(nn.Module):
    """A velocity towards one point of the ambient space, learned."""

    def __init__(self) -> None:
        super().__init__()
        self.goal = nn.Parameter(torch.zeros(3))

    def forward(self, x, t):
        return self.goal.expand_as(x)


class Killed(BaseException):
    """Like a kill -9: nothing that stands in its way is called."""


def training(lr: float = 0.3, kill_at: int | None = None) -> PriorTraining:
    prior = Denoiser(Slope(), GeodesicFlow(SPHERE), FlowMatching())
    make = functools.partial(torch.optim.SGD, lr=lr)
    given = {"samples": SAMPLES, "batch_size": SIZE, "seed": 0, "ema": 0.5}
    made = PriorTraining(prior, Identity(SPHERE), optimizer=make, **given)

    def batches(t):
        for start in range(t.samples_seen, SAMPLES, SIZE):
            if start == kill_at:
                raise Killed
            rows = torch.arange(start, start + SIZE) % len(POINTS)
            yield {"x": POINTS[rows]}

    made.batches = batches
    return made


def run(made, folder, selection=None, **options) -> KeepBest:
    selection = selection or Selection(every=128, likelihood=Likelihood(steps=2))
    best = KeepBest(folder / "best.safetensors", selection, BATCHES)
    options = TrainerOptions(accelerator="cpu", checkpoints=4, pictures=1, records=4, **options)
    fit(made, folder, options, lambda t: torch.zeros(3, 2, 2), callbacks=[best])
    return best


def score_of(model) -> float:
    points = torch.cat([batch["x"] for batch in BATCHES])
    return model.log_prob(points, {}, Likelihood(steps=2)).mean().item()


def test_what_is_kept_are_the_averaged_weights_of_the_best_score(tmp_path):
    made = training()
    scores, looked = {}, KeepBest._score

    def noted(self, module):
        scores[module.samples_seen] = looked(self, module)
        return scores[module.samples_seen]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(KeepBest, "_score", noted)
        best = run(made, tmp_path)
    assert list(scores) == list(range(128, SAMPLES + 1, 128))
    assert best.best == max(scores.values())
    facts = weights.read_facts(tmp_path / "best.safetensors")
    assert facts["samples"] == max(scores, key=scores.get)
    assert facts["nll_val"] == -best.best
    kept = Denoiser(Slope(), GeodesicFlow(SPHERE), FlowMatching())
    weights.load(tmp_path / "best.safetensors", kept)
    assert score_of(kept) == pytest.approx(best.best, abs=1e-5)


def spoiled(made: PriorTraining) -> PriorTraining:
    """From the middle on, its weights point away from the data."""
    step = made.optimize

    def spoil(*arguments):
        logs = step(*arguments)
        if made.samples_seen >= 512:
            with torch.no_grad():
                made.model.backbone.goal.copy_(-5 * TOP)
        return logs

    made.optimize = spoil
    return made


def test_worse_weights_that_come_later_are_not_kept_resumed_or_not(tmp_path):
    with pytest.raises(Killed):
        run(spoiled(training(kill_at=960)), tmp_path)
    last = torch.load(tmp_path / "checkpoints" / "last.ckpt", weights_only=True)
    assert last["samples_seen"] == 768
    made = spoiled(training())
    run(made, tmp_path)
    assert weights.read_facts(tmp_path / "best.safetensors")["samples"] == 512
    assert load_file(tmp_path / "best.safetensors")["backbone.goal"] @ TOP > 0
    assert made.ema.model.backbone.goal @ TOP < 0


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    run(training(), folder)
    return folder / "best.safetensors"


@pytest.mark.parametrize("kill_at", [192, 448, 960])
def test_killed_and_resumed_it_keeps_the_same_weights(uninterrupted, tmp_path, kill_at):
    with pytest.raises(Killed):
        run(training(kill_at=kill_at), tmp_path)
    run(training(), tmp_path)
    whole, parts = uninterrupted, tmp_path / "best.safetensors"
    assert weights.read_facts(parts) == weights.read_facts(whole)
    assert torch.equal(load_file(parts)["backbone.goal"], load_file(whole)["backbone.goal"])


def test_it_looks_at_the_end_even_if_that_is_no_multiple(tmp_path):
    run(training(), tmp_path, Selection(every=10 * SAMPLES, likelihood=Likelihood(steps=2)))
    assert weights.read_facts(tmp_path / "best.safetensors")["samples"] == SAMPLES


def test_only_the_first_points_are_looked_at(tmp_path):
    selection = Selection(every=SAMPLES, likelihood=Likelihood(steps=2), points=30)
    made = training()
    best = run(made, tmp_path, selection)
    first = torch.cat([batch["x"] for batch in BATCHES])[:30]
    expected = made.ema.model.log_prob(first, {}, Likelihood(steps=2)).mean().item()
    assert best.best == pytest.approx(expected, abs=1e-5)


def test_the_score_is_among_the_metrics(tmp_path):
    best = run(training(), tmp_path)
    header, *rows = (tmp_path / "metrics.csv").read_text().splitlines()
    column = header.split(",").index("nll_val")
    found = [float(row.split(",")[column]) for row in rows if row.split(",")[column]]
    assert min(found) == pytest.approx(-best.best, abs=1e-4)


class Failing(Likelihood):
    def __call__(self, *arguments, **options):
        raise Unsolved("no number")


def test_where_no_likelihood_is_found_training_goes_on_and_the_last_weights_are_kept(tmp_path):
    made = training()
    with pytest.warns(match="nothing is selected after 128 samples: no number"):
        run(made, tmp_path, Selection(every=128, likelihood=Failing(steps=2)))
    assert made.samples_seen == SAMPLES
    assert weights.read_facts(tmp_path / "best.safetensors")["samples"] == SAMPLES
