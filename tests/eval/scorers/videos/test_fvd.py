"""FVD by its protocols: files of I3D of the right interface, closed forms, and known values."""

from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from eval.extractors import I3D
from eval.extractors.videos import i3d_network
from eval.record import Record
from eval.scorers.videos import FVD, ReconstructionFVD
from eval.scorers.videos.fvd import _Distances
from eval.scorers.videos.protocols import PROTOCOLS
from ldm.config.compose import ConfigError
from ldm.hub.published import cached
from ldm.hub.weights import BadCheckpoint


class Script(nn.Module):
    """A network with the interface of the published TorchScript, of coarse means of a clip."""

    def __init__(self, size: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.register_buffer("weight", torch.randn(144, size, generator=generator))

    def forward(
        self, x: Tensor, rescale: bool = False, resize: bool = False, return_features: bool = False
    ) -> Tensor:
        if rescale:
            x = x / 127.5 - 1
        if resize:
            x = torch.nn.functional.interpolate(x, [x.shape[2], 224, 224], mode="trilinear")
        assert x.shape[3] == 224
        assert return_features
        return torch.nn.functional.adaptive_avg_pool3d(x, [3, 4, 4]).flatten(1) @ self.weight


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """Both files of I3D in the cache: the TorchScript, and a narrow network of the port."""
    monkeypatch.setenv("LDM_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    torch.jit.script(Script(400)).save(str(tmp_path / "cache" / "i3d_torchscript.pt"))
    monkeypatch.setattr(i3d_network, "STEM", (4, 4, 6))
    narrow = {name: (2, 2, 2, 2, 2, 2) for name in i3d_network.BLOCKS}
    monkeypatch.setattr(i3d_network, "BLOCKS", narrow)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        state = i3d_network.I3DNetwork().state_dict()
    torch.save(state, tmp_path / "cache" / "i3d_pretrained_400.pt")
    return tmp_path / "cache"


def noise(seed: int, *shape: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)


def test_protocols_give_different_numbers_of_the_same_clips(weights):
    real = noise(0, 4, 3, 9, 10, 16).float() / 127.5 - 1
    fake = (noise(1, 4, 3, 9, 10, 16).float() / 127.5 - 1) ** 3
    found, forms = {}, {}
    for name in ("stylegan_v", "pvdm", "tats", "cd_fvd", "tensorflow"):
        distances = _Distances(name)
        distances.update(real, real=True)
        distances.update(fake, real=False)
        scores, facts = distances.compute()
        found[name], forms[name] = scores["fvd"].item(), facts
        assert "covariances of 4 clips lack full rank" in facts["frechet"]
    values = sorted(found.values())
    assert all(b > 1.001 * a > 0 for a, b in pairwise(values))
    assert forms["stylegan_v"]["resize"] == "network"
    assert forms["pvdm"]["pixels"] == "bytes, rounded down"


def test_an_evaluation_records_each_number_with_its_protocol(clips, weights):
    parts, record = clips("data.frames=18"), Record()
    scorer = FVD(protocols=["stylegan_v", "cd_fvd"], samples=6, frames=9, stride=2, batch_size=4)
    scorer.check(parts)
    with pytest.warns(UserWarning, match="FVD of 6 clips tells little"):
        scorer.score(parts, record)
    first, second = (record.protocols[f"fvd_{name}"] for name in ("stylegan_v", "cd_fvd"))
    assert {"kvd_stylegan_v", "kvd_cd_fvd"} <= record.values.keys()
    assert (first["n"], first["n_reference"], second["n_reference"]) == (6, 6, 60)
    assert (first["order"], second["order"]) == ("sorted", "shuffled")
    assert (first["frames"], first["stride"], first["reference"]) == (9, 2, "train")
    assert first["weights"] != second["weights"]
    assert record.values["fvd_stylegan_v"] > 0


def test_reconstructions_that_lose_nothing_are_at_no_distance(clips, weights):
    parts, record = clips("data.frames=9"), Record()
    with pytest.warns(UserWarning, match="lack full rank|without full rank"):
        ReconstructionFVD(samples=5, batch_size=2).score(parts, record)  # pixels are latents
    assert record.values["rfvd_stylegan_v"] == pytest.approx(0, abs=1e-3)
    assert record.protocols["rfvd_stylegan_v"]["reference"] == "test"
    assert record.protocols["rfvd_stylegan_v"]["order"] == "shuffled"


def test_the_order_of_clips_does_not_matter_and_that_of_frames_does(weights):
    one, other = noise(0, 6, 3, 12, 16, 16), noise(1, 6, 3, 12, 16, 16)
    other[:, :, :6] //= 4  # darker at first

    def distance(fake: Tensor) -> float:
        distances = _Distances("stylegan_v")
        distances.update(one.float() / 127.5 - 1, real=True)
        distances.update(fake.float() / 127.5 - 1, real=False)
        return distances.compute()[0]["fvd"].item()

    assert distance(other.flip(0)) == pytest.approx(distance(other), rel=1e-5)
    assert abs(distance(other.flip(2)) - distance(other)) > 0.01 * distance(other)


def test_missing_weights_short_clips_and_unknown_protocols_are_refused(clips, tmp_path):
    with pytest.raises(ConfigError, match=r"'i3d_torchscript' are not here.*eval=motion"):
        FVD().check(clips("data.frames=9"))
    with pytest.raises(ConfigError, match=r"needs 9 frames or more.*clips of 4 frames"):
        FVD().check(clips())
    with pytest.raises(ConfigError, match=r"eval.frames=16 with stride 2"):
        FVD(frames=16, stride=2).check(clips("data.frames=30"))
    with pytest.raises(ValueError, match=r"protocols are stylegan_v, .*, got stylegan"):
        FVD(protocols=["stylegan"])


def test_files_of_another_interface_are_refused(tmp_path, weights):
    broken = tmp_path / "broken.pt"
    broken.write_bytes((weights / "i3d_torchscript.pt").read_bytes()[:500])
    with pytest.raises(BadCheckpoint, match="no whole TorchScript"):
        I3D("torchscript", "network", broken)
    torch.jit.script(nn.Identity()).save(str(tmp_path / "other.pt"))
    with pytest.raises(BadCheckpoint, match="cannot be called as network"):
        I3D("torchscript", "network", tmp_path / "other.pt")
    torch.jit.script(Script(10)).save(str(tmp_path / "narrow.pt"))
    with pytest.raises(BadCheckpoint, match=r"shape \(2, 10\) for 2 clips"):
        I3D("torchscript", "network", tmp_path / "narrow.pt")
    torch.save({"a": torch.zeros(1)}, tmp_path / "port.pt")
    with pytest.raises(BadCheckpoint, match="does not fit I3D"):
        I3D("port", "squash", tmp_path / "port.pt")
    with pytest.raises(ValueError, match="9 frames or more, got clips of 8"):
        I3D("torchscript", "network")(torch.zeros(1, 3, 8, 16, 16, dtype=torch.uint8))


def test_all_protocols_name_a_resize_and_a_network():
    for protocol in PROTOCOLS.values():
        assert (protocol.resize == "network") <= (protocol.network == "torchscript")


@pytest.mark.skipif(cached("i3d_torchscript") is None, reason="I3D's TorchScript is not here")
def test_black_and_white_clips_have_the_published_distance():
    network = I3D("torchscript", "network")
    black = torch.zeros(2, 3, 30, 64, 64, dtype=torch.uint8)
    one, other = network(black).pooled[0], network(black + 255).pooled[0]
    assert (one - other).square().sum().item() == pytest.approx(151.256, abs=0.01)


@pytest.mark.skipif(
    cached("i3d_torchscript") is None or not torch.cuda.is_available(),
    reason="I3D's TorchScript or a GPU is not here",
)
def test_noise_has_the_published_distance():
    import numpy as np

    from eval.metrics import FrechetDistance

    network = I3D("torchscript", "network").cuda().network
    distance = FrechetDistance(400).cuda()
    for seed in (1, 2):
        state = np.random.RandomState(seed)
        for _ in range(128):
            x = torch.from_numpy(state.rand(1, 16, 224, 224, 3)).float().permute(0, 4, 1, 2, 3)
            features = network(x.cuda(), rescale=False, resize=False, return_features=True)
            distance.update(features, real=seed == 1)
    # Of 128 clips, or 256, in a layout of axes that is not stated: another draw of the same law.
    assert distance.compute().item() == pytest.approx(10.138, rel=0.1)
