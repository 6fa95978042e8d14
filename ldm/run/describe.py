"""What an experiment would train: built on the meta device, in seconds, at full size."""

from collections.abc import Callable, Sequence

import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.table import Table
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from ldm.run.folder import Run
from ldm.run.parts import build_data, build_prior, build_tokenizer

__all__ = ["amount", "describe", "parameters", "training_flops"]

FLOPS = ("FLOPs", "kFLOPs", "MFLOPs", "GFLOPs", "TFLOPs", "PFLOPs")
BYTES = ("B", "KiB", "MiB", "GiB", "TiB")


def parameters(module: nn.Module) -> int:
    """Numbers in a module's parameters, trained or not."""
    return sum(p.numel() for p in module.parameters())


def training_flops(loss: Callable[[], torch.Tensor]) -> int:
    """Floating-point operations of a forward and a backward pass; a multiply-add counts as two."""
    counter = FlopCounterMode(display=False)
    with counter:
        loss().backward()
    return counter.get_total_flops()


def describe(config: DictConfig) -> None:
    """Print parts, latent space, parameters, FLOPs and memory of each stage's training."""
    data = build_data(config)
    tokenizer = build_tokenizer(config, "meta")
    table = Table(title=f"{config.run}: {data.name}, {data.shape}, latents in {tokenizer.space}")
    for column in ("part", "class", "parameters"):
        table.add_column(column, justify="right" if column == "parameters" else "left")
    parts = {f"tokenizer.{name}": child for name, child in tokenizer.named_children()}
    models = {}
    if "tokenizer" in config.stages:
        models["tokenizer"] = tokenizer, lambda x: _tokenizer_loss(tokenizer, x)
    if "prior" in config.stages:
        prior = build_prior(config, tokenizer, "meta")
        parts |= {f"prior.{name}": child for name, child in prior.named_children()}
        models["prior"] = prior, lambda x: _prior_loss(prior, tokenizer, x)
    for name, part in parts.items():
        table.add_row(name, type(part).__name__, f"{parameters(part):,}")
    for stage, (model, loss) in models.items():
        table.add_section()
        for label, value in _costs(model, loss, data.shape, config[stage].training):
            table.add_row(stage, label, value)
    console = Console(width=120)
    console.print(table)
    path = Run(config.run).folder / "config.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    OmegaConf.save(config, path)
    console.print(f"resolved configuration: {path}")


def _costs(model, loss, shape, training: DictConfig) -> list[tuple[str, str]]:
    per_sample = training_flops(lambda: loss(torch.zeros(1, *shape, device="meta")))
    count = parameters(model)
    # Weights, gradients, averaged weights and two moments in float32.
    state = count * 4 * (5 if "Adam" in instantiate(training.optimizer).func.__name__ else 4)
    steps = -(-training.samples // training.batch_size)
    return [
        ("parameters", f"{count:,}"),
        ("FLOPs a sample (forward and backward)", amount(per_sample, FLOPS, 1000)),
        ("FLOPs a step", amount(per_sample * training.batch_size, FLOPS, 1000)),
        ("steps x batch", f"{steps:,} x {training.batch_size:,}"),
        ("memory of weights and optimizer", amount(state, BYTES, 1024)),
        ("memory of activations a sample", amount(_activations(model, loss, shape), BYTES, 1024)),
    ]


def amount(number: float, units: Sequence[str], step: int) -> str:
    """A number in the unit that suits its size.

    Args:
        number: in the first unit.
        units: each `step` times the one before.
        step: from one unit to the next.

    Example:
        >>> amount(204_306, FLOPS, 1000), amount(2048, BYTES, 1024)
        ('204.31 kFLOPs', '2.00 KiB')
    """
    rank = 0
    while rank + 1 < len(units) and round(number / step**rank, 2) >= step:
        rank += 1
    digits = 2 if rank else 0
    return f"{number / step**rank:,.{digits}f} {units[rank]}"


def _activations(model: nn.Module, loss, shape) -> int:
    """Bytes that autograd keeps of one sample for the backward pass, in float32."""
    kept: dict[int, int] = {}
    weights = {id(p) for p in model.parameters()}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if id(tensor) not in weights and id(tensor._base) not in weights:
            kept[id(tensor)] = tensor.numel() * tensor.element_size()
            alive.append(tensor)  # or its id would be given to another
        return tensor

    alive: list[torch.Tensor] = []
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss(torch.zeros(1, *shape, device="meta"))
    return sum(kept.values())


def _tokenizer_loss(tokenizer, x):
    reconstruction, encoded = tokenizer.train()({"x": x})
    return reconstruction["x"].square().mean() + sum(encoded.losses.values())


def _prior_loss(prior, tokenizer, x):
    latent = torch.zeros(len(x), *tokenizer.space.shape, device="meta")
    label = torch.zeros(len(x), dtype=torch.long, device="meta")
    return prior.train().probe(latent, {"label": label}).mean()
