"""U-Nets that are told a text draw the same here and by Stable Diffusion's pipeline alone."""

import pytest
import torch
import transformers
from authors import autoencoder, randomized, unet, write_tokenizer
from diffusers import StableDiffusionPipeline

from ldm.hub.__main__ import main
from ldm.randomness import sample_generators
from ldm.run.loading import load_run
from ldm.run.sampling import draw

N, STEPS, SCALE, SCALING = 3, 4, 2.5, 0.5
PROMPT = "the digit three"


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Files of a narrow CLIP, a run with a narrow Stable Diffusion, and its export."""
    place = tmp_path_factory.mktemp("text")
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2, "vocab_size": 9}
    ends = {"bos_token_id": 1, "eos_token_id": 8, "pad_token_id": 0}
    config = transformers.CLIPTextConfig(
        **sizes, **ends, num_hidden_layers=2, max_position_embeddings=6
    )
    clip = randomized(transformers.CLIPTextModel(config))
    clip.save_pretrained(place / "clip")
    write_tokenizer(place / "clip")
    randomized(autoencoder(channels=1, scaling_factor=SCALING)).save_pretrained(place / "vae")
    randomized(unet(context=16, heads=4, sample_size=4)).save_pretrained(place / "unet")
    run, data = f"output={place / 'run'}", ["data=digits", "data.captions=true"]
    main(["import", str(place / "vae"), "--as", "diffusers", run, *data])
    encoder = {"model": place / "clip", "length": 6, "width": 16}
    told = [f"prior.conditioning.text.encoder.{key}={value}" for key, value in encoder.items()]
    sampler = [
        "sampler=ddim",
        "sampler.spacing=leading",
        "sampler.offset=1",
        "+sampler.clean=false",
    ]
    told += [*sampler, f"sampler.steps={STEPS}", f"guidance.scale={SCALE}"]
    main(["import", str(place / "unet"), "--as", "diffusers", run, *data, *told])
    main(["export", str(place / "run"), "--as", "diffusers", f"output={place / 'pipe'}"])
    return place


@pytest.mark.parametrize("output", ["latent", "np"])
def test_the_pipeline_alone_draws_the_same_latents_and_pixels(folders, output):
    pipe = StableDiffusionPipeline.from_pretrained(folders / "pipe")
    assert type(pipe.text_encoder).__name__ == "CLIPTextModel"
    pipe.set_progress_bar_config(disable=True)
    found = pipe(
        [PROMPT] * N,
        num_inference_steps=STEPS,
        guidance_scale=SCALE,
        generator=sample_generators(0, range(N)),
        output_type=output,
    ).images
    ours = draw(load_run(folders / "run", []), range(N), 0, text=PROMPT)
    expected = SCALING * ours.latent
    if output == "np":
        expected = (ours.batch["x"] / 2 + 0.5).clamp(0, 1)
        found = torch.from_numpy(found).movedim(3, 1)
    assert expected.std() > 0.05
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def test_an_offset_that_the_pipeline_would_change_is_refused(folders, refused):
    where = [str(folders / "run"), "--as", "diffusers", f"output={folders / 'other'}"]
    message = refused(main, "export", *where, "sampler.offset=0")
    assert "sets the offset of steps to 1: export with sampler.offset=1" in message
