"""Weights are found, fetched and checked; every failure says what to do."""

import pytest
import torch

from eval.extractors import weights
from eval.extractors.weights import Published, digest, fetch, load


@pytest.fixture
def served(tmp_path, monkeypatch):
    """Weights that a file:// address serves, and empty caches."""
    source = tmp_path / "server" / "net.pth"
    source.parent.mkdir()
    torch.save({"weight": torch.arange(3.0)}, source)
    published = Published(source.as_uri(), digest(source), ("net.pth", "old-net.pth"))
    monkeypatch.setitem(weights.PUBLISHED, "net", published)
    monkeypatch.setenv("LDM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return source


def test_a_download_is_kept_and_found_again(served, tmp_path):
    path = fetch("net")
    assert path == tmp_path / "cache" / "net.pth"
    assert list(path.parent.iterdir()) == [path]  # nothing temporary is left
    served.unlink()
    assert fetch("net") == path
    torch.testing.assert_close(load(path), {"weight": torch.arange(3.0)})


def test_torch_hubs_copy_is_used_under_either_name(served, tmp_path):
    copy = tmp_path / "torch" / "hub" / "checkpoints" / "old-net.pth"
    copy.parent.mkdir(parents=True)
    served.rename(copy)
    assert fetch("net") == copy


def test_a_file_given_by_hand_is_taken_as_it_is(served, tmp_path):
    assert fetch("net", served) == served
    with pytest.raises(FileNotFoundError, match=r"no weights of 'net' at .*missing.pth"):
        fetch("net", tmp_path / "missing.pth")


def test_without_a_network_the_message_says_what_to_put_where(served, tmp_path):
    served.unlink()
    with pytest.raises(FileNotFoundError) as caught:
        fetch("net")
    assert served.as_uri() in str(caught.value)
    assert str(tmp_path / "cache" / "net.pth") in str(caught.value)
    assert list((tmp_path / "cache").iterdir()) == []


def test_other_bytes_than_the_published_are_refused(served, tmp_path):
    whole = served.read_bytes()
    served.write_bytes(whole[:-1] + b"?")
    with pytest.raises(ValueError, match="does not hold the published weights"):
        fetch("net")
    assert list((tmp_path / "cache").iterdir()) == []
    cached = tmp_path / "cache" / "net.pth"
    cached.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"net.pth is damaged.*delete it"):
        fetch("net")


def test_a_truncated_file_and_a_pickle_of_code_are_refused(tmp_path):
    torch.save({"weight": torch.zeros(1000)}, tmp_path / "net.pth")
    whole = (tmp_path / "net.pth").read_bytes()
    (tmp_path / "net.pth").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match="not a whole file of weights"):
        load(tmp_path / "net.pth")
    torch.save({"run": print}, tmp_path / "code.pth")
    with pytest.raises(ValueError, match="not a whole file of weights"):
        load(tmp_path / "code.pth")
