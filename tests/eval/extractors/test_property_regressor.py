"""The regressor of a property learns it, comes back from its cache, and goes on after a stop."""

import pytest
import torch
from small_qm9 import expect_small, write_archive

from data import QM9, DataError
from eval.extractors import PropertyRegressor
from eval.extractors.property_regressor import Settings
from ldm import distributed
from ldm.hub.weights import BadCheckpoint

SETTINGS = Settings(width=16, depth=2, samples=180, batch=3)


@pytest.fixture
def data(tmp_path, monkeypatch):
    """Three molecules of QM9's official files, to learn the gap of."""
    monkeypatch.setenv("LDM_CACHE", str(tmp_path / "cache"))
    expect_small(monkeypatch)
    return QM9(half="first", property="gap", charged=False, root=str(write_archive(tmp_path)))


def error(model, data) -> float:
    batch = data.train_dataset.__getitems__(range(3))
    true = torch.from_numpy(data.properties_of("train"))
    return (model(batch) - true).abs().mean().item()


def test_it_learns_in_physical_units_and_the_cache_gives_it_back(data, tmp_path):
    untrained = PropertyRegressor("gap", data.elements, data.scale, SETTINGS)
    model = PropertyRegressor.trained(data, tmp_path / "kept", SETTINGS)
    assert error(model, data) < 0.7 * error(untrained, data)
    (path,) = (tmp_path / "kept").iterdir()
    again = PropertyRegressor.trained(data, tmp_path / "kept", SETTINGS)
    assert error(again, data) == error(model, data)
    assert again.protocol == model.protocol
    assert again.protocol["trained_on"] == f"QM9 (first half) {data.fingerprint}"
    assert error(PropertyRegressor.read(path), data) == error(model, data)
    PropertyRegressor.trained(data, tmp_path / "kept", Settings(4, 1, samples=3, batch=3))
    assert len(list((tmp_path / "kept").iterdir())) == 2


def test_an_interrupted_training_goes_on_to_the_same_bits(data, tmp_path, monkeypatch):
    settings = Settings(width=4, depth=1, samples=30, batch=3)
    whole = PropertyRegressor.trained(data, tmp_path / "whole", settings)
    monkeypatch.setattr("eval.extractors.property_regressor.KEEP", 2)

    def stop(self, batch):
        nonlocal left
        left -= 1
        if not left:
            raise KeyboardInterrupt
        return normalised(self, batch)

    left, normalised = 6, PropertyRegressor._normalised
    with monkeypatch.context() as patch:
        patch.setattr(PropertyRegressor, "_normalised", stop)
        with pytest.raises(KeyboardInterrupt):
            PropertyRegressor.trained(data, tmp_path / "stopped", settings)
    (kept,) = (tmp_path / "stopped").glob("*.ckpt")
    assert torch.load(kept, weights_only=True)["seen"] == 12
    resumed = PropertyRegressor.trained(data, tmp_path / "stopped", settings)
    assert error(resumed, data) == error(whole, data)
    assert not kept.exists()


def test_damaged_and_foreign_files_are_refused(data, tmp_path):
    settings = Settings(width=4, depth=1, samples=3, batch=3)
    path = PropertyRegressor.path(data, tmp_path, settings)
    path.with_suffix(".ckpt").write_bytes(b"half a file")
    with pytest.raises(DataError, match=r"is damaged .*: delete it to train anew"):
        PropertyRegressor.trained(data, tmp_path, settings)
    path.with_suffix(".ckpt").unlink()
    PropertyRegressor.trained(data, tmp_path, settings)
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(BadCheckpoint, match="truncated or not a safetensors file"):
        PropertyRegressor.trained(data, tmp_path, settings)


def test_two_processes_end_with_one_regressor(data, tmp_path, two_processes):
    settings = Settings(width=4, depth=1, samples=6, batch=3)

    def work(rank: int) -> dict[str, torch.Tensor]:
        distributed.join()
        return PropertyRegressor.trained(data, tmp_path / "kept", settings).state_dict()

    one, other = two_processes(work)
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert len(list((tmp_path / "kept").glob("*"))) == 1
