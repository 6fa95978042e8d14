"""Tokenizers of GSQ's authors: names and shapes as the published description lists them."""

import torch
from torch import Tensor


def residual(before, after):
    layers = {"net.0": (before,), "net.2": (after, before, 3, 3), "net.3": (after,)}
    layers["net.6"] = (after, after, 3, 3)  # 5 is a dropout
    return layers | ({"skip": (after, before, 1, 1)} if before != after else {})


def network(side, wide, counts, middle, latent, norms, nearest):
    """Layers of the published blocks in their order, by name and shape of the weight."""
    layers, k = {}, 0

    def add(made):
        nonlocal k
        layers.update({f"{side}.blocks.{k}.{name}": shape for name, shape in made.items()})
        k += 1

    def level(before, after, count):
        for i in range(count + (before != after)):
            add(residual(before if i == 0 else after, after))

    def norm(channels):
        if norms:
            add({name: (channels, latent) for name in ("gamma", "beta")})

    last = len(wide) - 1
    if side == "encoder":
        for i, channels in enumerate(wide):
            level(wide[0] if i == 0 else wide[i - 1], channels, counts[i])
            if i != last:
                add({"conv": (channels, channels, 3, 3)})
        level(wide[-1], wide[-1], middle)
        return layers
    level(wide[-1], wide[-1], middle)
    norm(wide[-1])
    for i in reversed(range(len(wide))):
        level(wide[min(i + 1, last)], wide[i], counts[i])
        if i:
            add({"conv": (wide[i] if nearest else 4 * wide[i], wide[i], 3, 3)})
            norm(wide[i])
    return layers


def names_and_shapes(
    multipliers, latent, groups, codes, width=128, counts=2, up_counts=None, middle=2, **options
):
    """Names and shapes of a tokenizer of the authors, as the published description lists them."""
    options = {"norms": True, "nearest": False, **options}
    image = options.pop("image", 3)
    wide = [width * m for m in multipliers]
    counts = [counts] * len(wide) if isinstance(counts, int) else counts
    layers = {
        "encoder.conv_in": (width, image, 3, 3),
        "encoder.fianl_layers.0": (wide[-1],),
        "encoder.fianl_layers.2": (latent, wide[-1], 1, 1),
        "decoder.conv_in": (wide[-1], latent, 3, 3),
        "decoder.final_layers.0": (wide[0],),
        "decoder.final_layers.2": (image, wide[0], 3, 3),
        **network("encoder", wide, counts, middle, latent, **options),
        **network("decoder", wide, up_counts or counts, middle, latent, **options),
    }
    found = {f"{name}.weight": shape for name, shape in layers.items()}
    found |= {f"{name}.bias": shape[:1] for name, shape in layers.items()}
    return found | {"quantizers.codebook.weight": (codes, latent // groups)}


def random_state(**sizes) -> dict[str, Tensor]:
    """The state of a tokenizer of the authors, with random weights; for `names_and_shapes`."""
    shapes = names_and_shapes(**sizes)
    return {name: torch.randn(x) / max(x[0], 1) ** 0.5 for name, x in shapes.items()}
