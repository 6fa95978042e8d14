"""Small molecules, and a run whose prior draws what it is told to."""

import pytest
from omegaconf import OmegaConf

from data import SmallMolecules
from ldm.priors import Prior
from ldm.run.parts import Parts
from ldm.run.sampling import Drawn
from ldm.spaces import Flat


class Nothing(Prior):
    """A prior that is never asked: what it would draw is given."""

    space, network_calls, loss, sample = Flat([1]), 3, None, None


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """About forty molecules of up to three heavy atoms."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LDM_CACHE", str(tmp_path_factory.mktemp("cache")))
        data = SmallMolecules(heavy=3, conformers=1)
        data.shown = 2
        data.setup()
    return data


@pytest.fixture
def parts(made, monkeypatch, tmp_path):
    """`parts(batch)`: a run whose prior draws these molecules."""
    monkeypatch.setenv("LDM_CACHE", str(tmp_path / "cache"))

    def build(batch=None):
        def drawn(parts, n, seed, batch_size):
            yield Drawn({key: x[:n] for key, x in batch.items()}, batch["x"])

        monkeypatch.setattr("eval.scorers.drawn.draw_share", drawn)
        config = OmegaConf.create({"sampler": {"steps": 3}, "guidance": {"scale": 1}})
        return Parts(config, made, {"prior": Nothing()})

    return build
