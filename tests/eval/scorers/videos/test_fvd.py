"""FVD by its protocols: files of I3D of the right interface, closed forms, and known values."""

from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from eval.extractors import C3D, I3D, ScriptedI3D
from eval.extractors.videos import clip_extractor, i3d_network
from eval.extractors.videos.resize import CLIP_RESIZES
from eval.record import Record
from eval.scorers.videos import FVD, ReconstructionFVD
from eval.scorers.videos.measures import measures
from eval.scorers.videos.protocols import PROTOCOLS
from ldm.config.compose import ConfigError
from ldm.hub.published import cached, fetch
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
    real = noise(0, 2, 3, 9, 10, 16).float() / 127.5 - 1
    fake = (noise(1, 2, 3, 9, 10, 16).float() / 127.5 - 1) ** 3
    found, forms = {}, {}
    for name in ("stylegan_v", "pvdm", "tats", "cd_fvd", "tensorflow"):
        distances = measures([name])[name]
        distances.update(real, real=True)
        distances.update(fake, real=False)
        scores, facts = distances.compute()
        found[name], forms[name] = scores["fvd"].item(), facts
        assert "covariances of 2 clips lack full rank" in facts["frechet"]
    values = sorted(found.values())
    assert all(b > 1.001 * a > 0 for a, b in pairwise(values))
    assert forms["stylegan_v"]["resize"] == "network"
    assert forms["pvdm"]["pixels"] == "bytes, rounded down"


def test_an_evaluation_records_each_number_with_its_protocol(clips, weights):
    parts, record = clips("data.frames=18", "data.clips=12"), Record()
    scorer = FVD(protocols=["stylegan_v", "cd_fvd"], samples=6, frames=9, stride=2, batch_size=4)
    scorer.check(parts)
    with pytest.warns(UserWarning, match="FVD of 6 clips tells little"):
        scorer.score(parts, record)
    first, second = (record.protocols[f"fvd_{name}"] for name in ("stylegan_v", "cd_fvd"))
    assert {"kvd_stylegan_v", "kvd_cd_fvd"} <= record.values.keys()
    assert (first["n"], first["n_reference"], second["n_reference"]) == (6, 6, 12)
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
        distances = measures(["stylegan_v"])["stylegan_v"]
        distances.update(one.float() / 127.5 - 1, real=True)
        distances.update(fake.float() / 127.5 - 1, real=False)
        return distances.compute()[0]["fvd"].item()

    assert distance(other.flip(0)) == pytest.approx(distance(other), rel=1e-5)
    assert abs(distance(other.flip(2)) - distance(other)) > 0.01 * distance(other)


def test_protocols_read_each_clip_once_and_share_networks_and_nothing_else_changes(
    clips, weights, monkeypatch
):
    parts, built, read = clips("data.frames=9", "data.clips=10"), [], []
    names = ["stylegan_v", "digan", "pvdm", "cd_fvd", "tensorflow"]
    monkeypatch.setattr(
        clip_extractor, "fetch", lambda name, file: built.append(name) or fetch(name, file)
    )
    dataset = type(parts.data.dataset_of("train"))
    items = dataset.__getitems__
    monkeypatch.setattr(
        dataset, "__getitems__", lambda self, rows: read.extend(rows) or items(self, rows)
    )

    def scored(*protocols: str) -> dict[str, float]:
        record = Record()
        with pytest.warns(UserWarning, match="FVD of 6 clips"):
            FVD(protocols=protocols, samples=6, batch_size=5).score(parts, record)
        return record.values

    together = scored(*names)
    assert sorted(built) == ["i3d_pretrained_400", "i3d_torchscript"]
    assert sorted(read) == list(range(10))  # cd-fvd's, among which are those of the others
    assert together["fvd_digan"] == together["fvd_pvdm"]
    for name in ("stylegan_v", "cd_fvd"):
        alone = scored(name)
        assert {key: together[key] for key in alone} == pytest.approx(alone, rel=1e-4, abs=1e-4)


class Classes(nn.Module):
    """A network with the interface of C3D, whose class is the brightness of a clip."""

    def __init__(self, logits: bool) -> None:
        super().__init__()
        self.logits = logits

    def forward(self, x: Tensor) -> Tensor:
        brightness = x.mean([1, 2, 3, 4]) / 256 * 101
        one_hot = torch.nn.functional.one_hot(brightness.long(), 101).float()
        return 100 * one_hot - 7 if self.logits else one_hot


@pytest.mark.parametrize("logits", [False, True])
def test_inception_scores_of_videos_are_those_of_their_classes(logits, weights):
    torch.jit.script(Classes(logits)).save(str(weights / "c3d_ucf101.pt"))
    measure = measures(["c3d_ucf101"])["c3d_ucf101"]
    brightness = torch.linspace(-1, 1, 20)  # of 20 classes: two in each of ten parts
    x = brightness.view(-1, 1, 1, 1, 1).expand(-1, 3, 16, 8, 8)
    measure.update(x[:15], real=False)
    measure.update(x[15:], real=False)
    measure.update(x, real=True)  # does not count
    scores, facts = measure.compute()
    assert scores["is"].item() == pytest.approx(2, abs=1e-5)
    assert scores["is_std"].item() == pytest.approx(0, abs=1e-5)
    assert facts["parts"] == 10


def test_an_evaluation_has_an_inception_score_of_videos(clips, tmp_path, weights):
    parts, record = clips("data.frames=16"), Record()
    with pytest.raises(ConfigError, match="weights 'c3d_ucf101' are not here"):
        FVD(protocols=["c3d_ucf101"]).check(parts)
    torch.jit.script(Classes(False)).save(str(weights / "c3d_ucf101.pt"))
    scorer = FVD(protocols=["c3d_ucf101"], samples=10)
    scorer.check(parts)
    scorer.score(parts, record)
    assert {"is_c3d_ucf101", "is_std_c3d_ucf101"} <= record.values.keys()
    assert record.protocols["is_c3d_ucf101"]["n"] == 10
    assert "reference" not in record.protocols["is_c3d_ucf101"]
    with pytest.raises(ConfigError, match="needs 10 samples or more"):
        FVD(protocols=["c3d_ucf101"], samples=9).check(parts)
    with pytest.raises(ConfigError, match=r"c3d_ucf101 needs 16 frames"):
        FVD(protocols=["c3d_ucf101"]).check(clips("data.frames=17"))
    torch.jit.script(nn.Flatten()).save(str(tmp_path / "other.pt"))
    with pytest.raises(BadCheckpoint, match=r"not \(2, 101\).*give c3d_ucf101.pt"):
        C3D(tmp_path / "other.pt")


def test_missing_weights_short_clips_and_unknown_protocols_are_refused(clips, tmp_path):
    with pytest.raises(ConfigError, match=r"'i3d_torchscript' are not here.*eval=motion"):
        FVD().check(clips("data.frames=9"))
    with pytest.raises(ConfigError, match=r"needs 9 frames or more.*clips of 4 frames"):
        FVD().check(clips())
    with pytest.raises(ConfigError, match=r"eval.frames=16 with stride 2"):
        FVD(frames=16, stride=2).check(clips("data.frames=30"))
    with pytest.raises(ConfigError, match=r"cd_fvd_videomae needs 16 frames, .* of 30 frames"):
        FVD(protocols=["cd_fvd_videomae"]).check(clips("data.frames=30"))
    with pytest.raises(ValueError, match=r"protocols are stylegan_v, .*, got stylegan"):
        FVD(protocols=["stylegan"])


def test_files_of_another_interface_are_refused(tmp_path, weights):
    broken = tmp_path / "broken.pt"
    broken.write_bytes((weights / "i3d_torchscript.pt").read_bytes()[:500])
    with pytest.raises(BadCheckpoint, match="no whole TorchScript"):
        ScriptedI3D(broken)
    torch.jit.script(nn.Identity()).save(str(tmp_path / "other.pt"))
    with pytest.raises(BadCheckpoint, match="cannot be called as network"):
        ScriptedI3D(tmp_path / "other.pt")
    torch.jit.script(Script(10)).save(str(tmp_path / "narrow.pt"))
    with pytest.raises(BadCheckpoint, match=r"shape \(2, 10\) for 2 clips"):
        ScriptedI3D(tmp_path / "narrow.pt")
    torch.save({"a": torch.zeros(1)}, tmp_path / "port.pt")
    with pytest.raises(BadCheckpoint, match="does not fit I3D"):
        I3D(tmp_path / "port.pt")
    with pytest.raises(ValueError, match="9 frames or more, got clips of 8"):
        ScriptedI3D()(torch.zeros(1, 3, 8, 16, 16, dtype=torch.uint8))


def test_all_protocols_name_a_resize_and_a_network():
    for protocol in PROTOCOLS.values():
        assert (protocol.resize == "network") <= (protocol.network is ScriptedI3D)
        assert protocol.resize in {"network", *CLIP_RESIZES}


@pytest.mark.skipif(cached("i3d_torchscript") is None, reason="I3D's TorchScript is not here")
def test_black_and_white_clips_have_the_published_distance():
    measure = measures(["stylegan_v"])["stylegan_v"]
    black = torch.full((2, 3, 30, 64, 64), -1.0)
    measure.update(black, real=True)
    measure.update(-black, real=False)
    assert measure.compute()[0]["fvd"].item() == pytest.approx(151.256, abs=0.01)


@pytest.mark.skipif(
    cached("i3d_torchscript") is None or not torch.cuda.is_available(),
    reason="I3D's TorchScript or a GPU is not here",
)
def test_noise_has_the_published_distance():
    import numpy as np

    from eval.metrics import FrechetDistance

    network = ScriptedI3D().cuda().network
    distance = FrechetDistance(400).cuda()
    for seed in (1, 2):
        state = np.random.RandomState(seed)
        for _ in range(128):
            x = torch.from_numpy(state.rand(1, 16, 224, 224, 3)).float().permute(0, 4, 1, 2, 3)
            features = network(x.cuda(), rescale=False, resize=False, return_features=True)
            distance.update(features, real=seed == 1)
    # Of 128 clips, or 256, in a layout of axes that is not stated: another draw of the same law.
    assert distance.compute().item() == pytest.approx(10.138, rel=0.1)
