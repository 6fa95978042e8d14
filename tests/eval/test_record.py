"""Numbers with their protocols, in memory and in `metrics.json`."""

import json

import torch

from eval.record import Record


def test_every_number_keeps_the_protocol_it_was_added_with(tmp_path):
    record = Record(tmp_path, data="digits")
    record.add({"psnr": torch.tensor(20.5)}, n=3)
    record.add({"fd": torch.tensor(1.0), "kd": torch.tensor(2.0)}, n=4, seed=1)
    record.save()
    assert record.files == [tmp_path / "metrics.json"]
    assert json.loads((tmp_path / "metrics.json").read_text()) == {
        "psnr": 20.5,
        "fd": 1.0,
        "kd": 2.0,
        "protocol": {
            "psnr": {"data": "digits", "n": 3},
            "fd": {"data": "digits", "n": 4, "seed": 1},
            "kd": {"data": "digits", "n": 4, "seed": 1},
        },
    }


def test_shared_work_is_done_once_a_key_also_where_it_makes_nothing():
    record, calls = Record(), []
    for key in ("a", "b", "a", "b"):
        assert record.once(key, lambda key=key: calls.append(key)) is None
    assert calls == ["a", "b"]
