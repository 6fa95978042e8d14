"""Clips of several windows, through the commands: their length is that of the data."""

import weakref

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import sample
from ldm.config.compose import ConfigError, compose
from ldm.hub import weights
from ldm.run.folder import Run
from ldm.run.loading import load_run
from ldm.run.models import build_models
from ldm.run.parts import build_data
from ldm.run.sampling import draw

SMALL = [
    "data.size=16",
    "data.frames=4",
    "tokenizer.encoder.window=2",
    *(f"tokenizer.encoder.network.{one}" for one in ("width=16", "depth=1", "heads=2")),
    *("tokenizer.encoder.network.head_width=8", "tokenizer.encoder.network.patch=8"),
    *(
        f"prior.backbone.{one}"
        for one in ("width=32", "multipliers=[1]", "blocks=1", "attention=[]", "heads=2")
    ),
    *("sampler.first.steps=3", "sampler.following.steps=2"),
]


PLAIN = [  # a prior of clips of one length, on an autoencoder of convolutions
    *("data=moving_digits", "data.size=16", "data.frames=16", "tokenizer=lvdm", "prior=lvdm"),
    *("tokenizer.encoder.network.width=32", "tokenizer.encoder.network.levels=2", "sampler=ddim"),
    *(f"prior.backbone.{one}" for one in ("width=32", "multipliers=[1]", "blocks=1")),
    *("prior.backbone.attention=[1]", "sampler.steps=2", "eval=none"),
]

EXTENDED = ["prior._target_=ldm.priors.Extended", "+prior.window=4"]


def begun(folder, *settings):
    """A run with the weights that it begins with, made not zero."""
    config = compose([*settings, f"run={folder}"])
    models = build_models(config, build_data(config), ["tokenizer", "prior"])
    for name, model in models.items():
        for parameter in model.parameters():
            torch.nn.init.normal_(parameter, std=0.1)
        if name == "tokenizer":
            model.std.fill_(1)
        space = model.bottleneck.space if name == "tokenizer" else model.space
        weights.save(Run(folder).model(name), model, {"space": repr(space), "samples": 0})
        Run(folder).keep_config(name, config)
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """PVDM on moving digits."""
    return begun(tmp_path_factory.mktemp("run"), "experiment=pvdm/moving_digits", *SMALL)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    """A prior of clips of one window."""
    return begun(tmp_path_factory.mktemp("plain"), *PLAIN)


def drawn(run, tmp_path, frames, *overrides):
    output = tmp_path / str(frames)
    size = [f"data.frames={frames}"] if frames else []
    sample.main([f"run={run}", "n=2", f"output={output}", *size, *overrides])
    return np.load(output / "samples.npz")["arr_0"]


def test_the_length_of_clips_is_asked_by_that_of_the_data(run, tmp_path):
    short, long = drawn(run, tmp_path, None), drawn(run, tmp_path, 10)
    assert (short.shape[1], long.shape[1]) == (4, 10)
    assert np.array_equal(long[:, :4], short)  # the same samples, and how they go on
    assert long.std() > 0


def test_lengths_that_windows_do_not_fill_are_refused(run):
    with pytest.raises(ConfigError, match=r"data\.frames=4, or another multiple of 2"):
        load_run(run, ["data.frames=5"])


def test_parts_are_handed_the_sizes_of_a_window(run):
    parts = load_run(run, ["data.frames=8"])
    assert parts.tokenizer.space.shape == parts.prior.space.shape == (4, 4 * 12)
    assert parts.prior.process.space.shape == (4, 12)
    assert parts.prior.backbone.planes == (2, 2, 2)
    clip = parts.data.test_dataset.__getitems__([0])
    back = parts.tokenizer.reconstruct(clip)[0]["x"]
    first = load_run(run, ["data.frames=2"]).tokenizer
    assert torch.equal(back[:, :, :2], first.reconstruct({"x": clip["x"][:, :, :2]})[0]["x"])


class LiveMemory(TorchDispatchMode):
    """Counts the bytes of all tensors that are made and not yet freed, and their peak."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self.known: set[int] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        found = func(*args, **(kwargs or {}))
        for x in tree_leaves(found):
            if isinstance(x, torch.Tensor) and x.untyped_storage()._cdata not in self.known:
                storage = x.untyped_storage()
                self.known.add(storage._cdata)
                self._change(storage.nbytes())
                weakref.finalize(storage, self._freed, storage._cdata, storage.nbytes())
        return found

    def _change(self, size: int) -> None:
        self.now += size
        self.peak = max(self.peak, self.now)

    def _freed(self, key: int, size: int) -> None:
        self.known.discard(key)
        self._change(-size)


def test_live_memory_is_counted_by_the_byte():
    with LiveMemory() as memory:
        x = torch.ones(1000)
        y = x * 2
        del x
        z = y.view(10, 100) + 1  # a view has no memory of its own
        del y
    assert (memory.now, memory.peak) == (z.nbytes, 8000)


def test_the_memory_of_sampling_does_not_grow_with_the_length_of_clips(plain):
    few = [*EXTENDED, "+prior.resamplings=1", "sampler.steps=1"]
    peaks = {}
    for frames in (32, 64):
        parts = load_run(plain, [*few, f"data.frames={frames}"])
        with LiveMemory() as memory:
            drawn = draw(parts, [0], seed=0)
        peaks[frames] = memory.peak
    assert drawn.batch["x"].shape[2] == 64
    assert peaks[64] < 1.1 * peaks[32]
    with torch.no_grad(), LiveMemory() as whole:  # it would, if the windows were decoded at once
        parts.tokenizer.decoder.network(drawn.latent)
    assert whole.peak > 2 * peaks[32]


def test_a_prior_of_single_windows_goes_on_by_overlapping_ones(plain, tmp_path):
    short, long = drawn(plain, tmp_path, None), drawn(plain, tmp_path, 32, *EXTENDED)
    assert (short.shape[1], long.shape[1]) == (16, 32)
    assert np.array_equal(long[:, :16], short)
