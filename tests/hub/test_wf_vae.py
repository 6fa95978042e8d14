"""WF-VAEs of its authors load, and go back unchanged but for constants."""

import pytest
import torch

from ldm.hub.__main__ import main
from ldm.hub.weights import read_state
from ldm.hub.wf_vae import wf_vae_from_authors, wf_vae_to_authors
from ldm.networks.videos.wf_vae import Decoder, Encoder
from ldm.run.loading import load_run

KERNEL = "encoder.wavelet_transform_in.h.conv.weight"
NAMES = {  # in each part, and of each kind of layer
    "encoder.down1.0.weight": (4, 8, 3, 3),
    "encoder.down1.1.norm1.norm.weight": (4,),
    "encoder.down1.1.conv1.weight": (4, 4, 3, 3),
    "encoder.down1.3.conv.weight": (4, 4, 3, 3),
    "encoder.connect_l1.weight": (4, 4, 3, 3),
    "encoder.down2.1.conv1.conv.weight": (8, 8, 3, 3, 3),
    "encoder.down2.3.conv.conv.bias": (8,),
    "encoder.connect_l2.bias": (4,),
    "encoder.mid.0.nin_shortcut.conv.weight": (16, 12, 1, 1, 1),
    "encoder.mid.1.norm.norm.bias": (16,),
    "encoder.norm_out.norm.weight": (16,),
    "encoder.conv_out.conv.weight": (8, 16, 3, 3, 3),
    "decoder.conv_in.conv.weight": (16, 4, 3, 3, 3),
    "decoder.mid.2.conv2.conv.weight": (20, 20, 3, 3, 3),
    "decoder.up2.2.conv.conv.weight": (16, 16, 3, 3, 3),
    "decoder.connect_l2.1.weight": (8, 4, 3, 3),
    "decoder.up1.2.conv.weight": (8, 8, 3, 3),
    "decoder.layer.0.conv1.conv.weight": (4, 8, 3, 3, 3),
    "decoder.connect_l1.0.norm2.norm.weight": (4,),
    "decoder.norm_out.norm.bias": (4,),
    "decoder.conv_out.weight": (8, 4, 3, 3),
}


def ours(**options) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    parts = {
        "encoder": Encoder(1, 8, width=4, flow=4, **options),
        "decoder": Decoder(4, 1, width=4, flow=4, **options),
    }
    return {
        f"{name}.{key}": torch.randn_like(x)
        for name, part in parts.items()
        for key, x in part.state_dict().items()
    }


def test_names_are_the_authors_and_go_back_without_loss():
    state = ours()
    theirs = wf_vae_to_authors(state | {"mean": torch.zeros(4)})
    assert len(theirs) == len(state)
    assert {name: tuple(theirs[name].shape) for name in NAMES} == NAMES
    back = wf_vae_from_authors(theirs | {KERNEL: torch.full((1, 1, 2, 2, 2), -0.3536)})
    assert back.keys() == state.keys()
    assert all(back[name] is x for name, x in state.items())


def test_a_file_of_the_authors_comes_back_bit_for_bit(tmp_path):
    theirs = wf_vae_to_authors(ours())
    more = {KERNEL: torch.full((1, 1, 2, 2, 2), 0.3536), "loss.weight": torch.ones(2)}
    torch.save(theirs | more, tmp_path / "wf_vae.pt")
    run, out = tmp_path / "run", tmp_path / "out"
    words = ["import", str(tmp_path / "wf_vae.pt"), "--as", "wf_vae", f"output={run}"]
    clips = ["data=moving_digits", "data.frames=5", "data.size=8", "eval=none"]
    main([*words, *clips, "scaling_factor=1.0"])
    main(["export", str(run), "--as", "wf_vae", f"output={out}"])
    back = read_state(out / "model.safetensors")
    assert back.keys() == theirs.keys()
    assert all(torch.equal(back[key], x) for key, x in theirs.items())
    tokenizer = load_run(run, []).tokenizer
    assert tokenizer.encoder.chunk == 1
    clip, encoded = tokenizer.reconstruct({"x": torch.randn(2, 1, 5, 8, 8)})
    assert clip["x"].shape == (2, 1, 5, 8, 8)
    assert encoded.latent.shape == (2, 4, 2, 1, 1)


def test_other_files_are_refused():
    state = wf_vae_to_authors(ours())
    for change, match in (
        ({KERNEL: torch.full((1, 1, 2, 2, 2), 0.5)}, "no Haar transform of constant 0.3536"),
        ({"encoder.connect_l1.weight": None}, "no encoder.connect_l1.weight, so this is no WF-VAE"),
        ({"encoder.norm_out.norm.weight": None}, "it has group normalisation"),
    ):
        other = {key: x for key, x in (state | change).items() if x is not None}
        with pytest.raises(ValueError, match=match):
            wf_vae_from_authors(other)
