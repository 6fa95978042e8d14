"""Our image encoder of CLIP against torch-fidelity's, on the same random weights."""

import pytest
import torch
from torch.testing import assert_close
from torch_fidelity.feature_extractor_clip import VisionTransformer

from eval.extractors import CLIPFeatures, clip
from eval.extractors.clip_network import CLIPVision
from eval.scorers.distribution import DistributionScores
from ldm.hub.weights import BadCheckpoint

NARROW = {"side": 28, "patch": 14, "width": 24, "depth": 2, "heads": 3, "size": 5}


def drawn(network):
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    return network


def authors_names(own):
    """The weights of one of our networks, under the names of CLIP's authors."""
    model = own.vision_model
    state = {
        "class_embedding": model["embeddings"].class_embedding,
        "positional_embedding": model["embeddings"].position_embedding.weight,
        "conv1.weight": model["embeddings"].patch_embedding.weight,
        "proj": own.visual_projection.weight.T,
    }
    norms = {"ln_pre": model["pre_layrnorm"], "ln_post": model["post_layernorm"]}
    for number, layer in enumerate(model["encoder"].layers):
        place, attention = f"transformer.resblocks.{number}.", layer.self_attn
        norms |= {f"{place}ln_1": layer.layer_norm1, f"{place}ln_2": layer.layer_norm2}
        norms |= {f"{place}mlp.c_fc": layer.mlp["fc1"], f"{place}mlp.c_proj": layer.mlp["fc2"]}
        norms[f"{place}attn.out_proj"] = attention.out_proj
        for kind in ("weight", "bias"):
            parts = (attention.q_proj, attention.k_proj, attention.v_proj)
            joined = torch.cat([part.get_parameter(kind) for part in parts])
            state[f"{place}attn.in_proj_{kind}"] = joined
    state |= {f"{k}.{kind}": m.get_parameter(kind) for k, m in norms.items() for kind in
              ("weight", "bias")}  # fmt: skip
    return state


def test_it_is_torch_fidelitys_encoder():
    own = drawn(CLIPVision(**NARROW)).double()
    other = VisionTransformer(28, 14, 24, 2, 3, 5).double()
    other.load_state_dict(authors_names(own))
    x = torch.randn(2, 3, 28, 28, dtype=torch.float64)
    assert_close(own(x), other(x))


def test_published_size_and_names():
    with torch.device("meta"):
        network = CLIPVision()
    assert sum(p.numel() for p in network.parameters()) == 304_293_888
    state = network.state_dict()
    assert state["vision_model.embeddings.position_embedding.weight"].shape == (577, 1024)
    assert {
        "vision_model.embeddings.class_embedding",
        "vision_model.embeddings.patch_embedding.weight",
        "vision_model.pre_layrnorm.bias",
        "vision_model.encoder.layers.23.self_attn.out_proj.bias",
        "vision_model.encoder.layers.0.layer_norm1.weight",
        "vision_model.encoder.layers.0.mlp.fc1.weight",
        "vision_model.post_layernorm.weight",
        "visual_projection.weight",
    } < set(state)


def test_embeddings_from_a_file_have_unit_length_and_give_cmmd(tmp_path, monkeypatch):
    monkeypatch.setattr(clip, "CLIPVision", lambda: CLIPVision(**NARROW))
    state = drawn(CLIPVision(**NARROW)).state_dict()
    more = {"logit_scale": torch.zeros(()), "text_model.final_layer_norm.bias": torch.zeros(3)}
    ids = {"vision_model.embeddings.position_ids": torch.arange(5)[None]}
    torch.save(state | more | ids, tmp_path / "clip.bin")
    extractor = CLIPFeatures(tmp_path / "clip.bin")
    generator = torch.Generator().manual_seed(1)
    images = torch.randint(0, 256, (12, 3, 20, 30), generator=generator, dtype=torch.uint8)
    assert_close(extractor(images).pooled.norm(dim=1), torch.ones(12))
    scores = DistributionScores(extractor)
    for real in (True, False):
        scores.update(images, real=real)
    found = scores.compute()
    assert found["cmmd"].item() == pytest.approx(0, abs=1e-6)
    assert {"fd_clip", "kd_clip", "precision_clip"} < set(found)
    assert not any(name.startswith("is") for name in found)
    torch.save(more, tmp_path / "text.bin")
    with pytest.raises(BadCheckpoint, match="CLIP's ViT-L/14 at 336 pixels"):
        CLIPFeatures(tmp_path / "text.bin")
