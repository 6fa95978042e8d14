"""VideoMAE v2 by a file of the authors' layout, against transformers' network of the same weights.

The names are those of the public layout, as recalled.
"""

import pytest
import torch
from torch.testing import assert_close

from eval.extractors import VideoMAE
from eval.extractors.videos import videomae
from eval.extractors.videos.resize import CLIP_RESIZES
from eval.extractors.videos.videomae_network import VideoMAEEncoder
from ldm.hub.weights import BadCheckpoint

NARROW = {"width": 24, "depth": 2, "heads": 3, "hidden": 40, "patch": 56, "classes": 7}


def authors_state() -> dict[str, torch.Tensor]:
    """Random weights of the narrow network, as the authors name them."""
    generator = torch.Generator().manual_seed(0)
    width, hidden, classes = NARROW["width"], NARROW["hidden"], NARROW["classes"]
    shapes = {"patch_embed.proj.weight": (width, 3, 2, 56, 56), "patch_embed.proj.bias": (width,)}
    for i in range(NARROW["depth"]):
        shapes |= {
            f"blocks.{i}.norm1.weight": (width,),
            f"blocks.{i}.norm1.bias": (width,),
            f"blocks.{i}.attn.q_bias": (width,),
            f"blocks.{i}.attn.v_bias": (width,),
            f"blocks.{i}.attn.qkv.weight": (3 * width, width),
            f"blocks.{i}.attn.proj.weight": (width, width),
            f"blocks.{i}.attn.proj.bias": (width,),
            f"blocks.{i}.norm2.weight": (width,),
            f"blocks.{i}.norm2.bias": (width,),
            f"blocks.{i}.mlp.fc1.weight": (hidden, width),
            f"blocks.{i}.mlp.fc1.bias": (hidden,),
            f"blocks.{i}.mlp.fc2.weight": (width, hidden),
            f"blocks.{i}.mlp.fc2.bias": (width,),
        }
    shapes |= {"fc_norm.weight": (width,), "fc_norm.bias": (width,)}
    shapes |= {"head.weight": (classes, width), "head.bias": (classes,)}
    return {key: 0.3 * torch.randn(shape, generator=generator) for key, shape in shapes.items()}


def transformers_state(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The same weights as transformers names them."""
    own = {"embeddings.patch_embeddings.projection.weight": state["patch_embed.proj.weight"]}
    own["embeddings.patch_embeddings.projection.bias"] = state["patch_embed.proj.bias"]
    for i in range(NARROW["depth"]):
        layer, block = f"encoder.layer.{i}.", f"blocks.{i}."
        attention, weights = f"{layer}attention.attention.", state[f"{block}attn.qkv.weight"]
        for kind, part in zip(["query", "key", "value"], weights.chunk(3), strict=True):
            own[f"{attention}{kind}.weight"] = part
        own[f"{attention}query.bias"] = state[f"{block}attn.q_bias"]
        own[f"{attention}value.bias"] = state[f"{block}attn.v_bias"]
        for theirs, ours in {
            "attention.output.dense": "attn.proj",
            "layernorm_before": "norm1",
            "layernorm_after": "norm2",
            "intermediate.dense": "mlp.fc1",
            "output.dense": "mlp.fc2",
        }.items():
            for kind in ("weight", "bias"):
                own[f"{layer}{theirs}.{kind}"] = state[f"{block}{ours}.{kind}"]
    return own


@pytest.fixture
def narrow(monkeypatch):
    monkeypatch.setattr(videomae, "VideoMAEEncoder", lambda: VideoMAEEncoder(**NARROW))


def clips(*shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)


def test_it_is_transformers_encoder_of_clips_in_0_to_1(tmp_path, narrow):
    models = pytest.importorskip("transformers", reason="the text extra is not installed")
    state = authors_state()
    torch.save({"module": {key: x.half() for key, x in state.items()}}, tmp_path / "vit.pth")
    config = models.VideoMAEConfig(
        image_size=224, patch_size=56, hidden_size=24, num_hidden_layers=2, num_attention_heads=3,
        intermediate_size=40, layer_norm_eps=1e-6, use_mean_pooling=True,
    )  # fmt: skip
    theirs = models.VideoMAEModel(config).eval()
    halves = {key: x.half().float() for key, x in state.items()}
    theirs.load_state_dict(transformers_state(halves))
    images = clips(2, 3, 16, 30, 40)
    x = CLIP_RESIZES["squash"](images.float(), 224) / 255
    with torch.no_grad():
        mean = theirs(x.transpose(1, 2)).last_hidden_state.mean(1)
    shift, scale = halves["fc_norm.bias"], halves["fc_norm.weight"]
    expected = torch.nn.functional.layer_norm(mean, (24,), scale, shift, 1e-6)
    extractor = VideoMAE(tmp_path / "vit.pth")
    with torch.autocast("cpu", torch.bfloat16):
        assert_close(extractor(images).pooled, expected, atol=1e-4, rtol=1e-4)
    grey = images[:, :1]
    assert_close(extractor(grey).pooled, extractor(grey.expand(-1, 3, -1, -1, -1)).pooled)
    with pytest.raises(ValueError, match="videomae reads 16 frames, got clips of 17"):
        extractor(clips(1, 3, 17, 30, 40))


def test_published_size():
    with torch.device("meta"):
        network = VideoMAEEncoder()
        assert network(torch.zeros(1, 3, 16, 224, 224)).shape == (1, 1408)
    numbers = {key: x.numel() for key, x in network.named_parameters()}
    keys = sum(x // 3 for key, x in numbers.items() if key.endswith("qkv.bias"))  # have no bias
    assert sum(numbers.values()) - keys == 1_011_855_918
    assert len(network.blocks) == 40


def test_files_of_other_networks_are_refused(tmp_path, narrow):
    with pytest.raises(BadCheckpoint, match=r"'videomae_vitg_ssv2' are not here.*vit_g_hybrid"):
        VideoMAE()
    state = authors_state()
    torch.save({**state, "head.weight": torch.zeros(400, 24)}, tmp_path / "kinetics.pth")
    with pytest.raises(BadCheckpoint, match=r"174 classes.*head.weight is \(400, 24\)"):
        VideoMAE(tmp_path / "kinetics.pth")
    del state["blocks.0.attn.v_bias"]
    torch.save(state, tmp_path / "other.pth")
    with pytest.raises(BadCheckpoint, match=r"does not fit .*blocks.0.attn.qkv.bias"):
        VideoMAE(tmp_path / "other.pth")
