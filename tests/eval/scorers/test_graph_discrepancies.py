"""Discrepancies of sampled graphs, beside those of the train split and of random graphs."""

import networkx
import pytest
import torch
from omegaconf import OmegaConf

from data import Communities, Digits
from eval.metrics.graphs import graph_discrepancies, padded, statistics
from eval.record import Record
from eval.scorers.graph_discrepancies import GraphDiscrepancies
from ldm.config.compose import ConfigError
from ldm.priors import Prior
from ldm.run.parts import Parts
from ldm.run.sampling import Drawn


class Nothing(Prior):
    """A prior that is never asked."""

    def loss(self, latent, condition, generator=None): ...

    def sample(self, n, condition, sampler, generator=None, guidance=None): ...


@pytest.fixture
def scored(monkeypatch, tmp_path):
    """`scored(data, x, scorer)`: the record of a run whose samples are cycles of five nodes."""

    def run(data, scorer: GraphDiscrepancies) -> Record:
        cycle = torch.from_numpy(networkx.to_numpy_array(networkx.cycle_graph(5)))
        asked = []

        def draw_share(parts, n, seed, batch_size):
            asked.append((n, seed))
            for part in torch.arange(n).split(batch_size):
                batch = data.example(len(part))
                batch["x"][:, :5, len(data.kinds) : len(data.kinds) + 5] = cycle
                batch["mask"][:, 6:] = False  # a sixth node has no edge
                yield Drawn({**batch, "index": part}, torch.zeros(len(part), 1))

        monkeypatch.setattr("eval.scorers.graph_discrepancies.draw_share", draw_share)
        parts = Parts(OmegaConf.create({"sampler": {"steps": 3}}), data, {"prior": Nothing()})
        scorer.check(parts)
        record = Record(tmp_path)
        scorer.score(parts, record)
        assert asked == [(len(data.test_dataset) * scorer.runs, scorer.seed)]
        return record

    return run


def test_samples_are_compared_with_the_test_split_with_and_without_padding(scored):
    data = Communities(graphs=25)
    record = scored(data, GraphDiscrepancies(batch_size=3, runs=2))
    batch = next(iter(data.ordered_batches("test", 5)))
    edges = batch["x"][:, :, len(data.kinds) :].numpy()
    sizes = batch["mask"].sum(1).tolist()
    test = [one[:n, :n] for one, n in zip(edges, sizes, strict=True)]
    cycles = [networkx.to_numpy_array(networkx.cycle_graph(5))] * 5
    plain = graph_discrepancies(statistics(cycles), statistics(test))
    wide = graph_discrepancies(statistics(padded(cycles, 20)), statistics(padded(test, 20)))
    for name, value in plain.items():
        assert record.values[f"mmd2_{name}"] == pytest.approx(value)
        assert record.values[f"mmd2_{name}_padded"] == pytest.approx(wide[name])
        assert record.values[f"mmd2_{name}_std"] == pytest.approx(0, abs=1e-12)
        assert record.protocols[f"mmd2_{name}"]["isolated_nodes"] == "stripped"
        assert record.protocols[f"mmd2_{name}_padded"]["isolated_nodes"] == "padded"
    assert [path.name for path in record.pictures] == ["samples.png"]


def test_the_train_split_is_closest_and_random_graphs_are_further(scored):
    found = scored(Communities(graphs=100), GraphDiscrepancies()).values
    for name in ("degree", "clustering", "orbit", "spectrum"):
        floor, random = found[f"mmd2_{name}_floor"], found[f"mmd2_{name}_erdos_renyi"]
        assert 0 < floor < random
    assert found["mmd2_clustering_erdos_renyi"] > 5 * found["mmd2_clustering_floor"]


def test_other_kernels_and_data_are_asked_for_or_refused(scored):
    with pytest.raises(ConfigError, match="holds no graphs"):
        GraphDiscrepancies().check(Parts(OmegaConf.create(), Digits()))
    with pytest.raises(ValueError, match="runs must be 1 or more"):
        GraphDiscrepancies(runs=0)
    data = Communities(graphs=25)
    emd, tv = (scored(data, GraphDiscrepancies(kernel=kernel)) for kernel in ("emd", "tv"))
    assert emd.values["mmd2_degree"] != pytest.approx(tv.values["mmd2_degree"], rel=0.01)
    assert emd.protocols["mmd2_degree"]["kernel"] != tv.protocols["mmd2_degree"]["kernel"]
