"""Tables of published numbers: each is printed whole, and its columns and experiments exist."""

import json
import re

import pytest
from omegaconf import ListConfig, OmegaConf

from eval.published import TABLES, columns
from eval.reproduce import main
from eval.scorers import SCORERS
from eval.scorers.videos.protocols import PROTOCOLS
from ldm.config.compose import compose
from ldm.config.groups import members

ALL = sorted(path.stem for path in TABLES.glob("*.yaml"))


@pytest.mark.parametrize("name", ALL)
def test_every_table_is_printed_with_its_rows(tmp_path, monkeypatch, capsys, name):
    monkeypatch.chdir(tmp_path)
    main([name])
    out = capsys.readouterr().out
    source = OmegaConf.load(TABLES / f"{name}.yaml")
    for row in source.rows:
        assert row.name in out
        assert set(row.published) <= set(source.columns)
        for column in columns(source):
            value = row.published.get(column.name, 0)
            numbers = value if isinstance(value, ListConfig) else [value]
            words = "±".join(f"{number:.4g}" for number in numbers)
            assert value == 0 or words + (" / " if column.metric else " ") in out
    recorded = TABLES / "recorded" / f"{name}.json"
    kept = json.loads(recorded.read_text()) if recorded.is_file() else {}
    baselines = sum(row.experiment is None for row in source.rows)
    assert out.count("published only") == baselines
    configured = sum(row.experiment in members("experiment") for row in source.rows)
    assert out.count("not configured") == len(source.rows) - configured - baselines
    assert out.count("not run") == configured - len(kept)


PRODUCERS = {
    r"psnr|ssim|lpips(_vgg)?|rfid(_train)?|rinception_score|codebook_(usage|perplexity)": (
        "reconstructions"
    ),
    r"rfid_(gsq|compvis|va_vae)": "rfid_protocols",
    r"s?fid|inception_score|precision|recall": "samples",
    rf"[fk]vd_({'|'.join(PROTOCOLS)})|is_c3d_ucf101": "fvd",
    rf"r[fk]vd_({'|'.join(PROTOCOLS)})": "rfvd",
    r"log_likelihood|elbo|kl|reconstruction": "elbo",
    r"nll(_per_dim)?": "likelihood",
    r"nll_kernel|nll(_per_dim)?_of_the_law": "references",
    r"(atom|molecule)_stability|validity|valid_unique": "molecules",
    r"property_mae(_floor|_shuffled|_atoms)?": "property",
    r"mmd2_(degree|clustering|orbit)_padded": "graph_discrepancies",
    r"validity|corrected_(uniqueness|novelty|nspdk_mmd2)": "molecule_graphs",
    r"corrected_fcd": "fcd",
}
"""Scorers by the names of the scores in tables that they record."""


def producers(metric):
    return {one for names, one in PRODUCERS.items() if re.fullmatch(names, metric)}


@pytest.mark.parametrize("name", ALL)
def test_every_column_is_a_score_that_a_scorer_records_or_is_published_only(name):
    table = OmegaConf.load(TABLES / f"{name}.yaml")
    assert set(table.get("metrics", {})) <= set(table.columns)
    for column in columns(table):
        if column.metric is not None:
            assert producers(column.metric), f"nothing records {column.metric}"
            assert producers(column.metric) <= set(SCORERS)


@pytest.mark.parametrize("name", ALL)
def test_the_evaluation_that_training_ends_with_records_the_columns_of_a_row(name):
    table = OmegaConf.load(TABLES / f"{name}.yaml")
    rows = [row for row in reversed(table.rows) if row.experiment]
    for row in {tuple(row.published): row for row in rows}.values():
        evaluation = compose([f"experiment={row.experiment}"]).eval
        for column in columns(table):
            if column.name in row.published and not column.protocol and column.metric is not None:
                known = ELSEWHERE.get((name, column.name))
                found = producers(column.metric) & set(evaluation.scorers)
                assert found or known, f"{row.experiment} does not record {column.metric}"


@pytest.mark.parametrize("name", ALL)
def test_rows_of_one_experiment_with_other_numbers_say_why(name):
    published = {}
    for row in OmegaConf.load(TABLES / f"{name}.yaml").rows:
        if row.experiment is not None and not re.search(r"README|ours|in PyTorch", row.name):
            for column, value in row.published.items():
                known = published.setdefault((row.experiment, column), value)
                assert known == pytest.approx(value, rel=5e-3), (
                    f"{row.name}: {column} of {row.experiment} is {known}, too"
                )


ELSEWHERE = {
    ("glad_molecules", "corrected_fcd"): "by a file of the network alone",
}
"""Columns that take an evaluation of their own."""


@pytest.mark.parametrize("name", ALL)
def test_the_experiment_of_every_row_exists_and_names_are_their_own(name):
    rows = OmegaConf.load(TABLES / f"{name}.yaml").rows
    named = [row.experiment for row in rows if row.experiment is not None]
    assert [one for one in named if one not in members("experiment")] == []
    assert len({row.name for row in rows}) == len(rows)
