"""Devices without float64, as Apple's MPS: the meta device stands in for one, and refuses it."""

import sys

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from ldm.cli import command
from ldm.config.compose import compose
from ldm.run.models import build_models
from ldm.run.parts import build_data
from ldm.training.progress import peak_resident

MESSAGE = (
    "Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support float64. "
    "Please use float32 instead."
)


class WithoutFloat64(TorchDispatchMode):
    """Raises what MPS does where a tensor of the meta device would hold float64."""

    def __torch_dispatch__(self, function, kinds, arguments=(), named=None):
        result = function(*arguments, **(named or {}))
        for x in tree_leaves(result):
            if torch.is_tensor(x) and x.is_meta and x.dtype == torch.float64:
                raise TypeError(MESSAGE)
        return result


@pytest.mark.parametrize("experiment", ["demo/digits", "demo/digits_flow"])
def test_a_prior_of_image_latents_trains_without_float64(monkeypatch, experiment):
    monkeypatch.setattr("ldm.tensors.WITHOUT_FLOAT64", {"meta"})
    config = compose([f"experiment={experiment}"])
    data = build_data(config)
    models = build_models(config, data, ["tokenizer", "prior"])
    with WithoutFloat64():
        for model in models.values():
            model.to("meta")
        batch = {key: x.to("meta") for key, x in data.example(2).items()}
        tokenizer = models["tokenizer"]
        latent = tokenizer.normalize(tokenizer.encode(batch).raw, torch.Generator())
        loss = models["prior"].loss(latent, batch, torch.Generator())
        sum(value.mean() for value in loss.values()).backward()


def test_what_computes_in_float64_names_the_device_to_use(capsys):
    def main(arguments):
        raise TypeError(MESSAGE)

    with pytest.raises(SystemExit) as stopped:
        command(main)([])
    assert stopped.value.code == 2
    assert "trainer.accelerator=cpu" in capsys.readouterr().err


def test_peak_memory_is_in_bytes_on_every_system(monkeypatch):
    resource = pytest.importorskip("resource")
    used = type("Usage", (), {"ru_maxrss": 3 << 20})
    monkeypatch.setattr(resource, "getrusage", lambda who: used)
    monkeypatch.setattr(sys, "platform", "linux")
    assert peak_resident() == 3 << 30
    monkeypatch.setattr(sys, "platform", "darwin")
    assert peak_resident() == 3 << 20
    monkeypatch.setitem(sys.modules, "resource", None)  # as on Windows, which has none
    assert peak_resident() is None
