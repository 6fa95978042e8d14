"""Graphs from data to samples and scores, through the commands."""

import json

import networkx
import pytest
import torch

import sample
import train
from ldm.run.loading import load_run
from ldm.run.sampling import draw


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a run of the demo, on few graphs with small networks."""
    folder = tmp_path_factory.mktemp("graphs")
    small = {"nodes": 8, "edges": 4, "graph": 4, "layers": 1, "heads": 2}
    few = [f"{part}.{key}={value}" for part in ("tokenizer.encoder", "prior.backbone")
           for key, value in small.items()]  # fmt: skip
    few += [f"{stage}.training.{key}" for stage in ("tokenizer", "prior")
            for key in ("samples=32", "batch_size=16", "schedule=null")]  # fmt: skip
    few += ["tokenizer.decoder.layers=1", "data.graphs=10", "sampler.steps=3"]
    few += ["trainer.pictures=1", "trainer.records=2", "trainer.checkpoints=1"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LDM_CACHE", str(folder / "cache"))
        train.main(["experiment=demo/graphs", f"run={folder}/run", *few])
    return folder / "run"


def test_a_run_is_scored_beside_its_references(run):
    scores = json.loads((run / "metrics.json").read_text())
    for statistic in ("degree", "clustering", "orbit", "spectrum"):
        for row in ("", "_floor", "_erdos_renyi", "_padded"):
            assert 0 <= scores[f"mmd2_{statistic}{row}"] <= 2
    assert 0 <= scores["edge_accuracy"] <= 1
    assert scores["protocol"]["mmd2_degree"]["n"] == 2


def test_samples_have_the_number_of_nodes_that_is_asked_for(run, tmp_path):
    sample.main([f"run={run}", "n=3", "condition.nodes=13", f"output={tmp_path}/out"])
    found = json.loads((tmp_path / "out" / "graphs.json").read_text())
    assert [graph["nodes"] for graph in found] == [13] * 3
    graph = networkx.read_graphml(tmp_path / "out" / "000002.graphml", node_type=int)
    assert sorted(map(sorted, graph.edges)) == sorted(map(sorted, found[2]["edges"]))


def test_a_sample_does_not_depend_on_those_beside_it(run):
    parts = load_run(run, [])
    whole, alone = draw(parts, range(4), 0), draw(parts, [2], 0)
    parts.tokenizer.space.check(whole.latent)
    assert torch.equal(alone.latent[0], whole.latent[2])
    torch.testing.assert_close(alone.batch["x"][0], whole.batch["x"][2])
    assert not whole.latent.mT[~whole.batch["mask"]].any()
