"""Errors of a property: of samples that have what they were asked for, and of baselines."""

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from small_qm9 import expect_small, write_archive

from data import QM9, Digits
from eval.evaluation import Evaluation
from eval.extractors.property_regressor import PropertyRegressor, Settings
from eval.published import TABLES
from eval.record import Record
from eval.scorers.molecules import PropertyErrors
from ldm.config.compose import ConfigError
from ldm.priors import Prior
from ldm.run.parts import Parts
from ldm.run.sampling import Drawn
from ldm.spaces import Flat


class Nothing(Prior):
    """A prior that is never asked: what it would draw is given."""

    space, network_calls, loss, sample = Flat([1]), 3, None, None


@pytest.fixture
def parts(tmp_path, monkeypatch):
    """`parts(shift)`: a prior that draws the second half, asked for `shift` more than it has."""
    monkeypatch.setenv("LDM_CACHE", str(tmp_path / "cache"))
    expect_small(monkeypatch)
    root = str(write_archive(tmp_path))

    def build(shift: float = 0.0, **options):
        data = QM9(**{"half": "second", "property": "mu", "root": root} | options)

        def drawn(parts, n, seed, batch_size):
            batch = data.train_dataset.__getitems__(range(n))
            values = data.properties_of("train")[:n] + shift
            yield Drawn({**batch, "property": data.scale(values)}, batch["x"])

        monkeypatch.setattr("eval.scorers.drawn.draw_share", drawn)
        nodes = {"sampler": {}, "guidance": {}, "prior": {"conditioning": {"property": {}}}}
        return Parts(OmegaConf.create(nodes), data, {"prior": Nothing()})

    return build


@pytest.fixture
def oracle(monkeypatch):
    """Has the regressor know all properties, one tenth too large."""

    def build(self, data):
        class Oracle(PropertyRegressor):
            def forward(self, batch):
                own = data.properties_of("train")[batch["index"].numpy()]
                return torch.from_numpy(own + 0.1)

        return Oracle(data.target, data.elements, data.scale, Settings(4, 1))

    monkeypatch.setattr(PropertyErrors, "_build", build)


def scored(parts, **options) -> Record:
    record = Record()
    scorer = PropertyErrors(samples=3, **options)
    scorer.check(parts)
    scorer.score(parts, record)
    return record


def test_errors_are_between_what_was_asked_and_what_is_predicted(parts, oracle):
    for shift, expected in ((0.0, 0.1), (0.1, 0.0), (-2.0, 2.1)):
        found = scored(parts(shift)).values
        assert found["property_mae"] == pytest.approx(expected, abs=1e-5)
        assert found["property_mae_floor"] == pytest.approx(0.1, abs=1e-9)


def test_baselines_know_the_properties_of_others_or_numbers_of_atoms_alone(parts, oracle):
    made = parts()
    found, data = scored(made).values, made.data
    values, first = data.properties_of("train"), data.regression_set()
    counts = np.interp(  # there is one molecule of each number of atoms
        data.train_dataset.sizes,
        np.sort(first.train_dataset.sizes),
        first.properties_of("train")[np.argsort(first.train_dataset.sizes)],
    )
    assert found["property_mae_atoms"] == pytest.approx(np.abs(counts - values).mean())
    orders = [values[[a, b, 3 - a - b]] for a in range(3) for b in range(3) if a != b]
    errors = [np.abs(values + 0.1 - other).mean() for other in orders]
    assert min(abs(found["property_mae_shuffled"] - error) for error in errors) < 1e-9


def test_a_regressor_is_trained_on_the_other_half_and_fills_the_columns_of_the_table(parts):
    made, record = parts(), Record()
    evaluation = Evaluation(["property"], samples=3, regressor_samples=96)
    evaluation.check(made)
    evaluation.score(made, record)
    columns = OmegaConf.load(TABLES / "qm9_conditional.yaml").columns
    assert set(columns) == set(record.values)
    assert record.values["property_mae"] == pytest.approx(record.values["property_mae_floor"])
    protocol = record.protocols["property_mae"]
    assert protocol["trained_on"].startswith("QM9 (first half)")
    assert (protocol["property"], protocol["regressor_samples"]) == ("mu", 96)


def test_a_regressor_by_its_file_is_that_of_the_property(parts, tmp_path):
    made = parts()
    settings = Settings(width=4, depth=1, samples=3, batch=3)
    PropertyRegressor.trained(made.data.regression_set(), tmp_path / "kept", settings)
    (path,) = (tmp_path / "kept").iterdir()
    assert scored(made, regressor=str(path)).protocols["property_mae"]["regressor_width"] == 4
    message = "predicts mu of molecules of H, C, N, O, F, and the run's are .* asked for gap"
    with pytest.raises(ConfigError, match=message):
        scored(parts(property="gap"), regressor=str(path))
    with pytest.raises(ConfigError, match="no checkpoint at"):
        scored(made, regressor=str(tmp_path / "missing"))


def test_runs_that_are_asked_for_no_property_are_refused(parts):
    scorer = PropertyErrors()
    with pytest.raises(ConfigError, match=r"QM9 \(second half\) has no property to be asked for"):
        scorer.check(parts(property=None))
    with pytest.raises(ConfigError, match=r"first half of QM9, .*: data\.half=second"):
        scorer.check(parts(half=None))
    unconditional = parts()
    unconditional.config.prior.conditioning = None
    with pytest.raises(ConfigError, match="samples of this prior are not asked for a property"):
        scorer.check(unconditional)
    unconditional.data = Digits()
    with pytest.raises(ConfigError, match="digits has no property"):
        scorer.check(unconditional)
    with pytest.raises(ValueError, match="regressor_samples must be 96 or more, got 3"):
        PropertyErrors(regressor_samples=3)
