"""Numbers of the data, the latents and the process that models are handed, and never restate."""

import pytest

from ldm.config.compose import ConfigError, compose
from ldm.run.models import build_models
from ldm.run.parts import Parts, build_data
from ldm.run.stages import build_training


def parts(experiment: str, *overrides: str) -> Parts:
    """Parts of an experiment with shallow networks, on the meta device."""
    layers = ["tokenizer.encoder.layers", "tokenizer.decoder.layers", "prior.backbone.layers"]
    depths = ["prior.backbone.depth"]
    shallow = [f"{key}=1" for key in (layers if "glad" in experiment else depths)]
    config = compose([f"experiment={experiment}", *overrides, *shallow])
    data = build_data(config)
    return Parts(config, data, build_models(config, data, list(config.stages), "meta"))


@pytest.mark.parametrize(
    ("changes", "shape"),
    [
        ([], (29, 9)),
        (["data.charged=false"], (29, 8)),
        (["data.hydrogens=false"], (9, 9)),
        (["data=small_molecules", "data.heavy=2"], (8, 9)),
        (["data=geom_drugs"], (181, 19)),
    ],
)
def test_the_data_alone_say_what_molecules_are_made_of(changes, shape):
    edm = parts("edm/qm9", *changes)
    charges = edm.data.charged
    types = shape[1] - 3 - charges
    scale = [1.0] * 3 + [4.0] * types + [10.0] * charges
    assert edm.tokenizer.space.shape == edm.prior.space.shape == shape
    assert edm.tokenizer.std.tolist() == scale
    discrete = edm.prior.objective.discrete
    assert (discrete.types, list(discrete.scale)) == (types, scale)
    geoldm = parts("geoldm/qm9", *changes, "tokenizer.decoder.depth=1")
    assert geoldm.tokenizer.space.shape == (shape[0], 4)
    assert geoldm.tokenizer.decoder.egnn.embedding_out.out_features == shape[1] - 3
    term = build_training(geoldm, "tokenizer").regularizers["atoms"].term
    assert term.types == types


@pytest.mark.parametrize("name", ["glad/community_small", "glad/qm9"])
def test_the_data_alone_say_what_edges_are(name):
    graphs = parts(name)
    orders = 3 if name == "glad/qm9" else 1
    term = build_training(graphs, "tokenizer").regularizers["edges"].term
    found = (graphs.tokenizer.encoder, graphs.tokenizer.decoder, term)
    assert [one.orders for one in found] == [orders] * 3


@pytest.mark.parametrize("backbone", ["space_time_dit_s_2", "magicvideo"])
def test_networks_that_extend_those_of_images_are_handed_what_these_are(backbone):
    groups = ["data=moving_digits", "data.digits=1", "tokenizer=kl_f8_frames", "prior=ldm"]
    groups += [f"prior/backbone={backbone}", "sampler=ddim", "eval=none", "run=runs/test"]
    groups += ["prior.backbone.heads=8"]
    config = compose([*groups, "data.size=64"])
    built = build_models(config, build_data(config), ["prior"], "meta")["prior"].backbone
    assert len(built.y_embedder.embedding_table.weight) == 10 + 1


def test_a_network_reads_the_time_in_the_unit_of_its_process():
    for name in ("egnn", "ponita", "atom_transformer"):
        backbone = f"prior/backbone={name}"
        diffusion = parts("edm/qm9", backbone, "prior.process.steps=101")
        flow = parts("ours/qm9_flow", backbone)
        assert diffusion.prior.backbone.horizon == 100
        assert flow.prior.backbone.horizon == 1


def test_a_diffusion_may_learn_its_noise():
    learned = ["prior/process=learned_diffusion", "prior.objective.weighting=vlb"]
    assert parts("edm/qm9", *learned).prior.process.learned


def test_a_network_has_a_null_class_if_labels_are_dropped():
    given = ["run=none", "data=digits", "tokenizer=kl_f8", "prior=ldm", "sampler=ddim"]
    given += ["tokenizer.encoder.multipliers=[1]", "prior.backbone.multipliers=[1]"]

    def rows(*overrides: str) -> int:
        config = compose([*given, *overrides])
        prior = build_models(config, build_data(config), ["prior"], "meta")["prior"]
        return len(prior.backbone.y_embedder.embedding_table.weight)

    always = "prior.conditioning.label.rate=0"
    assert (rows(), rows(always)) == (11, 10)
    assert rows(always, "+prior.backbone.null_class=true") == 11
    with pytest.raises(ConfigError, match=r"null_class=false, but labels are dropped.*rate=0"):
        rows("+prior.backbone.null_class=false")


@pytest.mark.parametrize(
    ("experiment", "override", "message"),
    [
        ("edm/qm9", "+tokenizer.space.places=20", r"^tokenizer\.space\.places=20, .* QM9 is 29"),
        ("edm/qm9", "+tokenizer.space.invariant=7", r"space\.invariant=7, .* QM9 is 6"),
        ("edm/qm9", "+prior.objective.discrete.types=4", r"discrete\.types=4, .* QM9 is 5: leave"),
        ("edm/qm9", "tokenizer.scale=[1,4]", r"a scale is one number above 0"),
        ("edm/qm9", "tokenizer.scale=null", r"prior\.objective\.discrete: .*set tokenizer\.scale"),
        ("geoldm/qm9", "+tokenizer.bottleneck.space.places=20", r"places=20, .* QM9 is 29"),
        ("geoldm/qm9", "+tokenizer.training.regularizers.atoms.term.types=4", r"types=4, .* is 5"),
        ("edm/alpha", "data.property=null", r"conditioning\.property: QM9 .* has no property"),
        ("geoldm/alpha", "data.property=null", r"data\.property=\.\.\., other data, or prior"),
        ("glad/qm9", "+tokenizer.encoder.orders=1", r"orders=1, .* QM9 \(graphs\) is 3"),
    ],
)
def test_what_contradicts_the_data_is_refused_in_a_line(experiment, override, message):
    with pytest.raises(ConfigError, match=message) as error:
        parts(experiment, override)
    assert "\n" not in str(error.value)
