"""Published weights are found, fetched, checked and converted; every failure says what to do."""

import re

import pytest
import safetensors.torch
import torch
from torch import nn

from data.files.download import digest
from ldm.hub.published import PUBLISHED, Published, fetch, load_published
from ldm.hub.weights import BadCheckpoint, read_state


@pytest.fixture
def served(tmp_path, monkeypatch):
    """Weights that a file:// address serves, and empty caches."""
    source = tmp_path / "server" / "net.pth"
    source.parent.mkdir()
    torch.save({"weight": torch.ones(3, 3), "bias": torch.arange(3.0)}, source)
    published = Published(source.as_uri(), digest(source), ("net.pth", "old-net.pth"), note="ours")
    monkeypatch.setitem(PUBLISHED, "net", published)
    monkeypatch.setenv("LDM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return source


def test_a_download_is_kept_and_found_again(served, tmp_path):
    path = fetch("net")
    assert path == tmp_path / "cache" / "net.pth"
    assert list(path.parent.iterdir()) == [path]  # nothing temporary is left
    served.unlink()
    assert fetch("net") == path
    torch.testing.assert_close(read_state(path)["bias"], torch.arange(3.0))


def test_torch_hubs_copy_is_used_under_either_name(served, tmp_path):
    copy = tmp_path / "torch" / "hub" / "checkpoints" / "old-net.pth"
    copy.parent.mkdir(parents=True)
    served.rename(copy)
    assert fetch("net") == copy


def test_a_file_given_by_hand_is_taken_as_it_is(served, tmp_path):
    assert fetch("net", served) == served
    with pytest.raises(BadCheckpoint, match=r"no weights of 'net' at .*missing.pth"):
        fetch("net", tmp_path / "missing.pth")


def test_without_a_network_the_message_says_what_to_put_where(served, tmp_path):
    served.unlink()
    with pytest.raises(BadCheckpoint, match="not here and could not be fetched") as caught:
        fetch("net")
    assert served.as_uri() in str(caught.value)
    assert str(tmp_path / "cache" / "net.pth") in str(caught.value)
    assert list((tmp_path / "cache").iterdir()) == []


def test_other_bytes_than_the_published_are_refused(served, tmp_path):
    whole = served.read_bytes()
    served.write_bytes(whole[:-1] + b"?")
    with pytest.raises(BadCheckpoint, match=r"SHA-256 .*, expected"):
        fetch("net")
    assert list((tmp_path / "cache").iterdir()) == []
    cached = tmp_path / "cache" / "net.pth"
    cached.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadCheckpoint, match=r"net.pth is damaged.*delete it"):
        fetch("net")


def test_weights_of_unknown_checksum_are_never_downloaded(served, tmp_path, monkeypatch):
    unknown = Published(served.as_uri(), None, ("net.pth",), note="no checksum")
    monkeypatch.setitem(PUBLISHED, "net", unknown)
    with pytest.raises(BadCheckpoint, match=r"checksum is not known") as caught:
        fetch("net")
    cached = tmp_path / "cache" / "net.pth"
    wanted = f"get them at {served.as_uri()} yourself, and put them at {cached}. no checksum"
    assert wanted in str(caught.value)
    assert not cached.exists()
    assert fetch("net", served) == served
    cached.parent.mkdir(exist_ok=True)
    served.rename(cached)
    assert fetch("net") == cached


@pytest.mark.parametrize("name", PUBLISHED)
def test_an_entry_says_where_its_file_is_how_it_is_checked_and_whose_it_is(name):
    published = PUBLISHED[name]
    assert published.url.startswith("https://")
    assert re.match(r"MIT|Apache|BSD|CC-BY|LGPL", published.note)
    marked = re.search(r"-([0-9a-f]{8})\.pth", published.names[0])
    if published.sha256 is None:
        assert "SHA-256" in published.note
        assert not marked or marked[1] in published.note
    else:
        assert re.fullmatch(r"[0-9a-f]{64}", published.sha256)
        # torch names files by their SHA-256
        assert not marked or published.sha256.startswith(marked[1])
    assert (published.mean is None) == (published.std is None)


def test_a_truncated_file_and_a_pickle_of_code_are_refused(tmp_path):
    torch.save({"weight": torch.zeros(1000)}, tmp_path / "net.pth")
    safetensors.torch.save_file({"weight": torch.zeros(1000)}, tmp_path / "net.safetensors")
    for name in ("net.pth", "net.safetensors"):
        whole = (tmp_path / name).read_bytes()
        (tmp_path / name).write_bytes(whole[: len(whole) // 2])
        with pytest.raises(BadCheckpoint, match="not a whole file of weights"):
            read_state(tmp_path / name)
    torch.save({"run": print}, tmp_path / "code.pth")
    with pytest.raises(BadCheckpoint, match=r"holds Python objects .*print.*tensors alone"):
        read_state(tmp_path / "code.pth")
    with pytest.raises(BadCheckpoint, match=r"no weights at .*none\.pth"):
        read_state(tmp_path / "none.pth")
    torch.save({"state": {"weight": torch.zeros(2)}}, tmp_path / "nested.pth")
    with pytest.raises(BadCheckpoint, match="something else than named tensors"):
        read_state(tmp_path / "nested.pth")


def test_weights_go_to_their_module_with_the_statistics_of_the_latents(served, monkeypatch):
    class Whole(nn.Linear):
        def __init__(self):
            super().__init__(3, 3)
            self.register_buffer("mean", torch.zeros(3))
            self.register_buffer("std", torch.ones(3))

    served_as = {"url": "", "sha256": None, "names": (), "note": ""}
    model = nn.ModuleDict({"net": Whole(), "rest": nn.Linear(1, 1)})
    rest = model["rest"].weight.clone()
    monkeypatch.setitem(
        PUBLISHED, "net", Published(**served_as, module="net", mean=0.5, std=(1.0, 2.0, 3.0))
    )
    load_published("net", model, served)
    assert model["net"].weight.equal(torch.ones(3, 3))
    assert model["net"].mean.tolist() == [0.5] * 3
    assert model["net"].std.tolist() == [1.0, 2.0, 3.0]
    assert model["rest"].weight.equal(rest)


def test_a_file_that_is_something_else_is_refused_by_name(served, monkeypatch):
    with pytest.raises(BadCheckpoint, match=r"net\.pth does not hold the weights 'sd-vae-ft-mse'"):
        load_published("sd-vae-ft-mse", nn.Linear(3, 3), served)
    with pytest.raises(BadCheckpoint, match=r"net\.pth is not for such a model but for prior=dit"):
        load_published("DiT-XL-2-256", nn.Linear(2, 2), served)
    with pytest.raises(BadCheckpoint, match=r"does not fit the configured model, .* prior=dit"):
        load_published("DiT-XL-2-256", nn.ModuleDict({"backbone": nn.Linear(2, 2)}), served)
