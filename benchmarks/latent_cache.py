"""Training a prior from latents that are stored, compared with encoding every batch.

The encoder is kl-f8 at its published size on 64 x 64 images, the prior DiT-S/2 on its 4 x 8 x 8
latents. Latents are in the cache, or in safetensors shards. All ways read the same batches; their
steps alternate.

Run it with `python -m benchmarks.latent_cache`.
"""

import statistics
import tempfile
import time
from functools import partial
from pathlib import Path

import torch

from data import Batch, SampleOrder
from data.images.base import Images, MemoryImages
from data.loading import BatchLoader
from ldm.bottlenecks import Gaussian
from ldm.conditioning import Conditioning, Labels
from ldm.hub.weights import fingerprint
from ldm.networks.images.compvis import Decoder, Encoder
from ldm.networks.images.dit import DiT
from ldm.objectives import Regression
from ldm.priors import Denoiser
from ldm.processes import GaussianDiffusion
from ldm.randomness import step_generator
from ldm.tokenizers import Tokenizer
from ldm.training import PriorTraining
from ldm.training.latent_cache import LatentCache
from ldm.training.latent_shards import LatentShards, write_shards

IMAGES, BATCH, ROUNDS, WARMUP = 64, 16, 5, 1
Row = tuple[str, float, float, str, str]


class RandomImages(Images):
    """Dataset of random images."""

    name, channels, size, class_names = "random", 3, 64, tuple("0123456789")

    def load(self, split: str) -> MemoryImages:
        generator = torch.Generator().manual_seed(0)
        x = torch.randint(256, (IMAGES, 3, 64, 64), generator=generator, dtype=torch.uint8)
        return MemoryImages(x, torch.arange(IMAGES) % 10)


def training() -> PriorTraining:
    """Build the training of DiT-S/2 on the latents of kl-f8."""
    torch.manual_seed(0)
    tokenizer = Tokenizer(
        Encoder(out_channels=8, multipliers=(1, 2, 4, 4)),
        Gaussian([4, 8, 8]),
        Decoder(in_channels=4, multipliers=(1, 2, 4, 4)),
    )
    prior = Denoiser(
        DiT.sized("S/2", shape=[4, 8, 8], classes=10),
        GaussianDiffusion(tokenizer.space),
        Regression("eps"),
        Conditioning(label=Labels(10)),
    )
    optimizer = partial(torch.optim.AdamW, lr=1e-4, fused=True)
    common = {"samples": 10**6, "batch_size": BATCH, "seed": 0, "optimizer": optimizer}
    return PriorTraining(prior, tokenizer.eval().requires_grad_(False), **common)


def step(module: PriorTraining, optimizer: torch.optim.Optimizer, batch: Batch) -> None:
    """Do a training step of `PriorTraining` without a trainer."""
    generator = step_generator(0, 0, 0)
    optimizer.zero_grad(set_to_none=True)
    with torch.autocast("cpu", torch.bfloat16):
        latent, told = module.latents.read(batch, generator)
        loss = module.model.loss(latent, told, generator)["loss"].mean()
    loss.backward()
    optimizer.step()


def rows() -> list[Row]:
    """Measure; a row for each way: name, our seconds, baseline seconds, baseline, target."""
    data, module = RandomImages(), training()
    optimizer = module.configure_optimizers()[0]
    with tempfile.TemporaryDirectory() as folder:
        cache = LatentCache(
            Path(folder),
            lambda b: {"raw": module.latents.tokenizer.encode(b).raw, "label": b["label"]},
            fingerprint(module.latents.tokenizer),
            data,
        )
        list(cache.fill(torch.device("cpu")))
        shards = Path(folder) / "shards"
        write_shards(shards, cache.dataset(), module.latents.tokenizer)
        order = SampleOrder(IMAGES, BATCH, seed=0, stop=BATCH * (ROUNDS + WARMUP))
        loaders = {
            "cache": cache.batches(order),
            "shards": BatchLoader(LatentShards(shards), order),
            "encoded": BatchLoader(data.train_dataset, order),
        }
        batches = {name: iter(loader) for name, loader in loaders.items()}
        seconds: dict[str, list[float]] = {name: [] for name in batches}
        for _ in range(ROUNDS + WARMUP):
            for name, loader in batches.items():
                start = time.perf_counter()
                step(module, optimizer, next(loader))
                seconds[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(times[WARMUP:]) for name, times in seconds.items()}
    encoded, what = medians.pop("encoded"), f"DiT-S/2 on kl-f8 at 64x64, batch {BATCH}"
    against, target = "encoding every batch", "at least 1.5x faster"
    return [
        (f"prior step, latents from the {name}, {what}", ours, encoded, against, target)
        for name, ours in medians.items()
    ]


if __name__ == "__main__":
    for name, ours, baseline, against, target in rows():
        print(f"{name}: {baseline / ours:.2f}x faster than {against} ({target})")
