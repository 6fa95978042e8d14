"""The bound of held-out molecules: seeded by the molecule, with its number of atoms."""

import pytest
import torch

from eval.record import Record
from eval.scorers.bound import Bound
from ldm.config.compose import ConfigError, compose
from ldm.objectives import Regression
from ldm.run.models import build_models
from ldm.run.parts import Parts, build_data


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """A small EDM, untrained, of molecules of at most two heavy atoms."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LDM_CACHE", str(tmp_path_factory.mktemp("cache")))
        small = ["data=small_molecules", "data.heavy=2"]
        small += ["prior.backbone.width=8", "prior.backbone.depth=1"]
        config = compose(["experiment=edm/qm9", *small])
        data = build_data(config)
        yield Parts(config, data, build_models(config, data, ["prior"]))


def scores(parts, **options) -> dict:
    record = Record()
    Bound(**options).score(parts, record)
    return record.values


def test_it_does_not_depend_on_the_batch_size_and_counts_the_atoms(parts, monkeypatch):
    Bound().check(parts)
    whole = scores(parts)
    assert whole["nll_bound_stderr"] > 0
    assert scores(parts, batch_size=2) == pytest.approx(whole, rel=1e-5)
    assert scores(parts, seed=1)["nll_bound"] != pytest.approx(whole["nll_bound"])
    sizes = parts.data.test_dataset.__getitems__(range(len(parts.data.test_dataset)))["mask"].sum(1)
    told = parts.data.node_counts.log_prob(sizes).mean().item()
    monkeypatch.setattr(type(parts.data.node_counts), "log_prob", lambda self, n: 0.0 * n.double())
    assert scores(parts)["nll_bound"] == pytest.approx(whole["nll_bound"] + told, rel=1e-5)


def test_priors_with_other_objectives_are_refused(parts, monkeypatch):
    monkeypatch.setattr(parts.prior, "objective", Regression())
    with pytest.raises(ConfigError, match="take bound out of"):
        Bound().check(parts)
    with pytest.raises(ValueError, match="does not bound"):
        parts.prior.bound(torch.zeros(1, *parts.prior.space.shape), {})
