"""The command that brings weights in and takes them out."""

import pytest
import safetensors.torch
import torch
from authors import authors_names, autoencoder, pipeline, randomized, transformer
from diffusers import AutoencoderKL, DiTPipeline, VQModel

import train
from ldm.hub.__main__ import main
from ldm.hub.weights import fingerprint, read_state
from ldm.networks.images.dit import DiT
from ldm.networks.images.lightningdit import LightningDiT
from ldm.objectives import LearnedVariance
from ldm.randomness import sample_generators
from ldm.run.loading import load_run
from ldm.run.sampling import draw

N = 3
TOKENIZER = [f"tokenizer.encoder.{one}" for one in ("multipliers=[1,2]", "width=32", "blocks=1")]
TOKENIZER.append("tokenizer.encoder.attention_resolutions=[128]")


def drawn(run, *overrides):
    """Labels and pixels in [0, 1] that a run draws."""
    batch = draw(load_run(run, list(overrides)), range(N), 0).batch
    return batch["label"].tolist(), (batch["x"] / 2 + 0.5).clamp(0, 1)


def drawn_by(pipe, labels, steps, scale):
    """Pixels that a pipeline of diffusers draws from the same noise."""
    pipe.set_progress_bar_config(disable=True)
    options = {"num_inference_steps": steps, "guidance_scale": scale, "output_type": "pt"}
    return pipe(labels, generator=sample_generators(0, range(N)), **options).images


def dit(seed=0, **sizes):
    """A DiT of random weights in the layout of its authors, for latents of the 8x8 digits."""
    options = {"patch": 1, "width": 32, "depth": 2, "heads": 2, "classes": 10, **sizes}
    model = randomized(DiT([4, 4, 4], **options), seed, std=0.1)
    model.pos_embed.data = DiT([4, 4, 4], **options).pos_embed.data
    return model.state_dict()


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    """A run of the authors' files: a tokenizer, measured on digits, and a DiT; read it only."""
    folder = tmp_path_factory.mktemp("authors")
    tokenizer, prior, run = folder / "kl.ckpt", folder / "dit.pt", folder / "run"
    kl = authors_names(randomized(autoencoder(channels=1, attention=[1])))
    torch.save({"state_dict": kl, "global_step": 3}, tokenizer)
    torch.save(dit(), prior)
    main(["import", str(tokenizer), "--as", "compvis", f"output={run}", "data=digits"])
    given = [f"output={run}", "prior.backbone.heads=2"]
    main(["import", str(prior), "--as", "dit", *given])
    return run


def test_an_imported_pipeline_draws_the_pixels_of_diffusers(tmp_path, capsys):
    pipe, run = pipeline(), tmp_path / "run"
    pipe.save_pretrained(tmp_path / "pipe")
    main(["import", str(tmp_path / "pipe"), "--as", "diffusers", f"output={run}", "data=digits"])
    printed = capsys.readouterr().out
    assert "scaled by scaling_factor 0.5" in printed
    assert "sampler: DDIMScheduler of the pipeline\n" in printed
    labels, ours = drawn(run, "sampler.steps=10", "guidance.scale=1")
    pipe = DiTPipeline.from_pretrained(tmp_path / "pipe")
    torch.testing.assert_close(ours, drawn_by(pipe, labels, 10, 1), atol=1e-4, rtol=0)


@pytest.mark.parametrize("scale", [1, 2.5])
def test_an_exported_pipeline_draws_the_same_pixels_by_diffusers_alone(imported, tmp_path, scale):
    asked = ["sampler.steps=25", f"guidance.scale={scale}"]
    main(["export", str(imported), "--as", "diffusers", f"output={tmp_path / 'out'}", *asked])
    labels, ours = drawn(imported, *asked)
    assert ours.std() > 0.05
    pipe = DiTPipeline.from_pretrained(tmp_path / "out")
    torch.testing.assert_close(drawn_by(pipe, labels, 25, scale), ours, atol=1e-4, rtol=0)


def test_a_pipeline_comes_back_as_it_was_exported(tmp_path):
    pipe, run, again = pipeline(), tmp_path / "run", tmp_path / "again"
    pipe.save_pretrained(tmp_path / "pipe")
    main(["import", str(tmp_path / "pipe"), "--as", "diffusers", f"output={run}", "data=digits"])
    main(["export", str(run), "--as", "diffusers", f"output={tmp_path / 'out'}"])
    for part in ("vae", "transformer"):
        file = f"{part}/diffusion_pytorch_model.safetensors"
        before, now = read_state(tmp_path / "pipe" / file), read_state(tmp_path / "out" / file)
        rows = {key: x for key, x in now.items() if "embedding_table" in key}
        for key, x in rows.items():  # the null class, once where the pipeline looks for it
            assert x.shape[0] == 1001
            assert (x[10:] == x[1000]).all()
            now[key] = torch.cat([x[:10], x[1000:]])
        assert before.keys() == now.keys()
        assert all(torch.equal(now[key], x) for key, x in before.items())
    main(["import", str(tmp_path / "out"), "--as", "diffusers", f"output={again}", "data=digits"])
    for name, model in load_run(run, []).models.items():
        assert fingerprint(model) == fingerprint(load_run(again, []).models[name])


@pytest.mark.parametrize("layout", ["compvis", "taming"])
@pytest.mark.parametrize("codes", [None, 16])
def test_authors_files_come_back_bit_for_bit(tmp_path, layout, codes, refused):
    theirs = authors_names(randomized(autoencoder(channels=1, codes=codes)))
    safetensors.torch.save_file(theirs, tmp_path / "file.safetensors")
    folder, out = tmp_path / "run", tmp_path / "out"
    source = ["import", str(tmp_path / "file.safetensors"), "--as", layout, f"output={folder}"]
    main([*source, "data=digits", "scaling_factor=0.5", "shift_factor=0.25"])
    parts = load_run(folder, [])
    assert parts.tokenizer.std.tolist() == [2.0] * 4
    assert parts.tokenizer.mean.tolist() == [0.25] * 4
    export = ["export", str(folder), "--as", layout, f"output={out}"]
    if layout == "taming" and codes is None:
        assert "taming has no Gaussian bottleneck" in refused(main, *export)
        return
    main(export)
    back = read_state(out / "model.safetensors")
    assert back.keys() == theirs.keys()
    assert all(torch.equal(back[key], x) for key, x in theirs.items())


def test_a_dit_of_its_authors_draws_by_the_variances_that_it_predicts(imported, refused):
    parts = load_run(imported, [])
    assert isinstance(parts.prior.objective, LearnedVariance)
    learned = drawn(imported, "sampler=ddpm", "sampler.steps=3")[1]
    fixed = ["prior.objective={_target_: ldm.objectives.Regression, target: eps}"]
    assert not torch.equal(drawn(imported, "sampler=ddpm", "sampler.steps=3", *fixed)[1], learned)
    export = ["export", str(imported), "--as", "diffusers", "output=none", "sampler=ddpm"]
    assert "DiTPipeline leaves out the variances that the network predicts" in refused(
        main, *export
    )


def test_a_transformer_of_its_authors_comes_back_bit_for_bit(imported, tmp_path, refused):
    theirs = read_state(imported.parent / "dit.pt")
    export = ["export", str(imported), f"output={tmp_path / 'out'}"]
    assert "sit is a network of a LinearFlow" in refused(main, *export, "--as", "sit")
    main([*export, "--as", "dit"])
    back = read_state(tmp_path / "out" / "model.safetensors")
    assert back.keys() == theirs.keys()
    assert all(torch.equal(back[key], x) for key, x in theirs.items())


def test_a_sit_is_imported_as_a_flow(tmp_path):
    torch.save({"model": dit(1), "ema": dit(2), "steps": 3}, tmp_path / "sit.pt")
    folder, out = f"output={tmp_path / 'run'}", tmp_path / "out"
    kl = ["data=digits", "tokenizer.encoder.multipliers=[1,2]", "tokenizer.encoder.width=32"]
    heads = "prior.backbone.heads=2"
    main(["import", str(tmp_path / "sit.pt"), "--as", "sit", folder, *kl, heads])
    safetensors.torch.save_file(
        authors_names(autoencoder(channels=1, layers_per_block=2)), tmp_path / "kl.safetensors"
    )
    main(["import", str(tmp_path / "kl.safetensors"), "--as", "compvis", folder, "measure=true"])
    assert drawn(tmp_path / "run", "sampler.steps=2")[1].shape == (N, 1, 8, 8)
    main(["export", str(tmp_path / "run"), "--as", "sit", f"output={out}"])
    back = read_state(out / "model.safetensors")
    assert all(torch.equal(back[key], x) for key, x in dit(2).items())


def test_a_lightningdit_of_its_authors_comes_back_bit_for_bit(tmp_path, refused):
    sizes = {"patch": 1, "width": 32, "depth": 2, "heads": 2, "classes": 10, "qk_norm": True}
    network = randomized(LightningDiT([4, 4, 4], **sizes), 1)
    network.pos_embed.data = LightningDiT([4, 4, 4], **sizes).pos_embed.data
    theirs, run = network.state_dict(), tmp_path / "run"
    torch.save({"ema": theirs, "opt": {}}, tmp_path / "lightningdit.pt")
    kl = ["data=digits", "tokenizer.encoder.multipliers=[1,2]", "tokenizer.encoder.width=32"]
    words = ["import", str(tmp_path / "lightningdit.pt"), f"output={run}", *kl]
    assert "this is a LightningDiT: import it --as lightningdit" in refused(
        main, *words, "--as", "sit"
    )
    main([*words, "--as", "lightningdit"])
    safetensors.torch.save_file(
        authors_names(autoencoder(channels=1, layers_per_block=2)), tmp_path / "kl.safetensors"
    )
    kl_file = str(tmp_path / "kl.safetensors")
    main(["import", kl_file, "--as", "compvis", f"output={run}", "scaling_factor=0.5"])
    export = ["export", str(run), f"output={tmp_path / 'out'}"]
    assert "sit has no place for such a model: it must be a DiT" in refused(
        main, *export, "--as", "sit"
    )
    main([*export, "--as", "lightningdit"])
    back = read_state(tmp_path / "out" / "model.safetensors")
    assert back.keys() == theirs.keys()
    assert all(torch.equal(back[key], x) for key, x in theirs.items())


def test_a_transformer_of_more_classes_than_the_data_keeps_its_null_class(tmp_path, imported):
    torch.save(dit(classes=20), tmp_path / "dit.pt")
    run = tmp_path / "run"
    given = [f"output={run}", "data=digits", "prior.backbone.heads=2"]
    small = [*TOKENIZER, f"tokenizer.checkpoint={imported}"]
    main(["import", str(tmp_path / "dit.pt"), "--as", "dit", *given, *small])
    prior = load_run(run, ["stages=[prior]"]).prior
    assert prior.conditioning.null({"label": torch.tensor([3])})["label"].tolist() == [20]
    assert drawn(run, "stages=[prior]", "sampler.steps=2", "guidance.scale=3")[0] == [0, 1, 2]


def test_the_authors_time_embedding_can_be_asked_of_a_model_of_diffusers(tmp_path):
    pipeline().save_pretrained(tmp_path / "pipe")
    given = [f"output={tmp_path / 'run'}", "data=digits", "prior.backbone.frequency_shift=0"]
    main(["import", str(tmp_path / "pipe"), "--as", "diffusers", *given])
    assert load_run(tmp_path / "run", []).prior.backbone.frequency_shift == 0


@pytest.mark.parametrize("codes", [None, 16])
def test_an_autoencoder_of_diffusers_comes_back_with_its_scale(tmp_path, codes):
    theirs = randomized(autoencoder(channels=1, codes=codes, scaling_factor=0.3, attention=[1]))
    theirs.save_pretrained(tmp_path / "vae")
    run = f"output={tmp_path / 'run'}"
    main(["import", str(tmp_path / "vae"), "--as", "diffusers", run, "data=digits"])
    main(["export", str(tmp_path / "run"), "--as", "diffusers", f"output={tmp_path / 'out'}"])
    back = (AutoencoderKL if codes is None else VQModel).from_pretrained(tmp_path / "out")
    assert back.config.scaling_factor == pytest.approx(0.3, abs=1e-7)
    assert fingerprint(back) == fingerprint(theirs)


def test_what_is_measured_is_in_the_configuration_of_an_exported_autoencoder(imported, tmp_path):
    out = [f"output={tmp_path / 'out'}", "stage=tokenizer"]
    main(["export", str(imported), "--as", "diffusers", *out])
    config = AutoencoderKL.from_pretrained(tmp_path / "out").config
    tokenizer = load_run(imported, []).tokenizer
    assert config.latents_mean == pytest.approx(tokenizer.mean.tolist())
    assert config.latents_std == pytest.approx(tokenizer.std.tolist())
    assert len(set(config.latents_std)) == 4


def test_a_prior_is_trained_on_the_latents_of_a_tokenizer_and_of_no_other(
    imported, tmp_path, refused
):
    folder = tmp_path / "latents"
    main(["latents", str(imported), f"output={folder}"])
    assert "is not an empty folder" in refused(main, "latents", str(imported), f"output={folder}")
    small = ["data=digits", "sampler=ddim", "prior=dit", "prior/backbone=dit_s_2",
             "prior.backbone.patch=1", "prior.backbone.width=32", "prior.backbone.depth=1",
             "prior.backbone.heads=2", "prior.training.samples=64", "prior.training.batch_size=32",
             "eval=none", "trainer.pictures=0", "tokenizer=kl_f8", *TOKENIZER]  # fmt: skip
    shards = f"+prior.training.latent_shards={folder}"
    given = [*small, "stages=[prior]", f"tokenizer.checkpoint={imported}", shards]
    train.main([*given, f"run={tmp_path / 'run'}"])
    assert not (tmp_path / ".latents").exists()  # nothing was encoded
    assert drawn(tmp_path / "run", "sampler.steps=2")[1].shape == (N, 1, 8, 8)
    own = imported / "tokenizer" / "model.safetensors"
    with safetensors.safe_open(own, "pt") as file:
        metadata = file.metadata()
    other = read_state(own)
    other["std"] = other["std"] * 1.01
    safetensors.torch.save_file(other, tmp_path / "other.safetensors", metadata)
    given[-2] = f"tokenizer.checkpoint={tmp_path / 'other.safetensors'}"
    message = refused(train.main, *given, f"run={tmp_path / 'no'}")
    assert "holds latents of the tokenizer" in message


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["latents", "output=x"], "name the run whose training data is encoded"),
        (["latents", "none", "output=x"], "no run at none"),
        ([], "no command ''"),
        (["lsit"], "no command 'lsit': did you mean 'list'?"),
        (["list", "more"], "list takes no arguments"),
        (["import", "a.pt", "output=x"], "say which layout, --as diffusers"),
        (["import", "a.pt", "--as", "vqgan", "output=x"], "--as diffusers | compvis"),
        (["import", "--as", "dit", "output=x"], "name first what to read"),
        (["import", "a.pt", "--as", "dit"], "name the folder to write: output=..."),
        (["import", "none.pt", "--as", "dit", "output=x"], "no weights at none.pt"),
        (["export", "none", "--as", "dit", "output=x"], "no run at none"),
    ],
)
def test_a_wrong_command_is_answered_with_what_to_do(refused, words, message):
    assert message in refused(main, *words)


def test_weights_that_do_not_fit_are_refused_with_what_to_do(tmp_path, refused, imported):
    kl = authors_names(autoencoder(channels=3))
    safetensors.torch.save_file(kl, tmp_path / "three.safetensors")
    load = ["import", str(tmp_path / "three.safetensors"), "--as", "compvis"]
    message = refused(main, *load, f"output={tmp_path / 'x'}", "data=digits")
    assert "for images of 3 channels, and digits has 1" in message
    assert "model.safetensors is there" in refused(main, *load, f"output={imported}")
    torch.save(dit(classes=5), tmp_path / "five.pt")
    load = ["import", str(tmp_path / "five.pt"), "--as", "dit", f"output={tmp_path / 'x'}"]
    assert "does not tell how many heads" in refused(main, *load, "data=digits")
    message = refused(main, *load, "data=digits", "prior.backbone.heads=2")
    assert "knows 5 classes, and digits has 10" in message
    torch.save(dit(), tmp_path / "ten.pt")
    load = ["import", str(tmp_path / "ten.pt"), "--as", "dit", f"output={tmp_path / 'x'}"]
    message = refused(main, *load, "data=digits", "prior.backbone.heads=2")  # kl_f8 makes 1x1
    assert "for latents of 4 channels and 16 patches" in message


def test_a_tokenizer_of_no_known_scale_is_imported_but_no_prior_may_learn_it(
    tmp_path, capsys, tiny, refused
):
    import train

    safetensors.torch.save_file(
        authors_names(randomized(autoencoder(channels=1, latent=4))), tmp_path / "kl.safetensors"
    )
    run = tmp_path / "vae"
    source = ["import", str(tmp_path / "kl.safetensors"), "--as", "compvis", f"output={run}"]
    main([*source, "data=digits", "measure=false"])
    printed = capsys.readouterr().out
    assert "never measured" in printed
    (usage,) = [line for line in printed.splitlines() if line.startswith("in other runs: ")]
    own = [one for one in tiny if not one.startswith(("experiment", "tokenizer"))]
    rest = ["data=digits", "prior=dit", "sampler=ddim", "prior.backbone.patch=1", "stages=[prior]"]
    asked = [*usage.removeprefix("in other runs: ").split(), *rest, *own]
    assert "were never measured" in refused(train.main, *asked)


def test_everything_published_is_listed_with_its_licence_and_its_use(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("LDM_CACHE", str(tmp_path))
    main(["list"])
    printed = capsys.readouterr().out
    assert "sd-vae-ft-mse\n  MIT." in printed
    assert "use: tokenizer=kl_f8 tokenizer.checkpoint=hub:sd-vae-ft-mse" in printed
    assert "to fetch: https://" in printed


def test_a_transformer_whose_classes_are_all_alike_is_one_without_classes(tmp_path):
    theirs = transformer()
    for block in theirs.transformer_blocks:
        block.norm1.emb.class_embedder.embedding_table.weight.data[:] = 0.5
    theirs.save_pretrained(tmp_path / "dit")
    kl = ["data=digits", "tokenizer.encoder.multipliers=[1,2]"]
    run = f"output={tmp_path / 'run'}"
    main(["import", str(tmp_path / "dit"), "--as", "diffusers", run, *kl])
    assert (tmp_path / "run" / "prior" / "model.safetensors").is_file()
