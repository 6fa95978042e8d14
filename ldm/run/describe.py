"""Summary of an experiment without training: sizes and costs, from models on the meta device."""

from collections.abc import Callable, Sequence

import torch
from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from data.files.whole import write_whole
from ldm.priors import Prior
from ldm.run.checks import check_tokenizer_losses, rehearsed_loss
from ldm.run.folder import Run
from ldm.run.models import build_models
from ldm.run.parts import Parts, build_data, build_part
from ldm.run.rehearsal import on_meta
from ldm.run.stages import build_training, latents_of
from ldm.training import TokenizerTraining, Training

__all__ = ["amount", "describe", "optimizer_state", "parameters", "training_costs"]

FLOPS = ("FLOPs", "kFLOPs", "MFLOPs", "GFLOPs", "TFLOPs", "PFLOPs")
BYTES = ("B", "KiB", "MiB", "GiB", "TiB")


def parameters(module: nn.Module) -> int:
    """Number of scalars in a module's parameters, trained or not."""
    return sum(p.numel() for p in module.parameters())


def training_costs(loss: Callable[[], Tensor]) -> tuple[int, int]:
    """Floating-point operations of a forward and a backward pass, and bytes of saved activations.

    A multiply-add counts as two operations; weights are not counted as activations.
    """
    counter = FlopCounterMode(display=False)
    with counter:
        value = loss()
        kept = _kept(value)
        value.backward()
    return counter.get_total_flops(), kept


def describe(config: DictConfig) -> None:
    """Print parts, latent space, parameters, FLOPs and memory of each stage's training."""
    build_part(config, "trainer")  # refuses what no machine has; this one may lack what others have
    data = build_data(config)
    parts = Parts(config, data, build_models(config, data, list(config.stages), "meta"))
    space = parts.tokenizer.space
    table = Table(title=f"{config.run}: {data.name}, {data.shape}, latents in {space}")
    for column in ("part", "class", "parameters"):
        table.add_column(column, justify="right" if column == "parameters" else "left")
    for stage, model in parts.models.items():
        for name, child in model.named_children():
            table.add_row(f"{stage}.{name}", type(child).__name__, f"{parameters(child):,}")
    for stage in config.stages:
        table.add_section()
        for label, value in _costs(parts, stage):
            table.add_row(stage, label, value)
    console = Console(width=120)
    console.print(table)
    path = Run(config.run).folder / "config.yaml"
    write_whole(path, lambda part: OmegaConf.save(config, part))
    console.print(f"resolved configuration: {path}")


def _costs(parts: Parts, stage: str) -> list[tuple[str, str]]:
    model = parts.models[stage]
    count = [("parameters", f"{parameters(model):,}")]
    if parts.config[stage].get("training") is None:
        return count
    with torch.device("meta"):  # so that perceptual networks need no weights
        training = build_training(parts, stage)
    if isinstance(training, TokenizerTraining):
        check_tokenizer_losses(parts, stage, training)
    loss = _loss(parts, stage, training)
    per_sample, kept = training_costs(loss)
    # Weights, gradients, averaged weights and the optimizer's state, in float32.
    state = 3 * 4 * parameters(model) + optimizer_state(training)
    steps = -(-training.samples // training.batch_size)
    return [
        *count,
        ("FLOPs a sample (forward and backward)", amount(per_sample, FLOPS, 1000)),
        ("FLOPs a step", amount(per_sample * training.batch_size, FLOPS, 1000)),
        ("steps x batch", f"{steps:,} x {training.batch_size:,}"),
        ("memory of weights and optimizer", amount(state, BYTES, 1024)),
        ("memory of activations a sample", amount(kept, BYTES, 1024)),
    ]


def _loss(parts: Parts, stage: str, training: Training) -> Callable[[], Tensor]:
    """Training loss of one sample of the stage, without the discriminator's."""
    model = parts.models[stage]
    if isinstance(model, Prior):
        latents = latents_of(parts, stage)
        return lambda: rehearsed_loss(model.train(), latents, parts.data)
    training.adversarial = None
    batch = {key: value.to("meta") for key, value in parts.data.example(1).items()}

    def loss() -> Tensor:
        def of(tokenizer: nn.Module) -> Tensor:
            read = training.read(batch)
            reconstruction, encoded = tokenizer(read)
            return training.tokenizer_loss(read, reconstruction, encoded)[0]

        return on_meta(model.train(), of)

    return loss


def optimizer_state(training: Training) -> int:
    """Bytes of the optimizer's state for all parameters, measured by a step on small stand-ins.

    Stand-ins have small sides, equal where the parameters' sides are equal, so that optimizers that
    treat square matrices differently still do.
    """
    trained = [p for p in training.model.parameters() if p.requires_grad]
    sides = {
        side: small for small, side in enumerate(sorted({s for p in trained for s in p.shape}), 2)
    }
    small = [nn.Parameter(torch.zeros([sides[s] for s in p.shape], device="cpu")) for p in trained]
    optimizer = training.make_optimizer(small)
    for stand_in in small:
        stand_in.grad = torch.zeros_like(stand_in)
    optimizer.step()
    total = 0
    for parameter, stand_in in zip(trained, small, strict=True):
        for kept in optimizer.state.get(stand_in, {}).values():
            if torch.is_tensor(kept):
                like = kept.shape == stand_in.shape
                total += kept.element_size() * (parameter.numel() if like else kept.numel())
    return total


def amount(number: float, units: Sequence[str], step: int) -> str:
    """Format a number with the unit that fits its magnitude.

    Args:
        number: in the first unit.
        units: each `step` times the one before.
        step: ratio of consecutive units.

    Example:
        >>> amount(204_306, FLOPS, 1000), amount(2048, BYTES, 1024)
        ('204.31 kFLOPs', '2.00 KiB')
    """
    rank = 0
    while rank + 1 < len(units) and round(number / step**rank, 2) >= step:
        rank += 1
    digits = 2 if rank else 0
    return f"{number / step**rank:,.{digits}f} {units[rank]}"


def _kept(value: Tensor) -> int:
    """Bytes that autograd saves for the backward pass of a value, without the weights."""
    weights: set[int] = set()
    kept: dict[int, int] = {}
    nodes, seen = [value.grad_fn], set()
    while nodes:
        node = nodes.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        nodes += [following for following, _ in node.next_functions]
        if hasattr(node, "variable"):  # a leaf, where the gradient of a weight is accumulated
            weights.add(node.variable.untyped_storage()._cdata)
        for name in (name for name in dir(node) if name.startswith("_saved_")):
            saved = getattr(node, name)
            for tensor in saved if isinstance(saved, tuple | list) else [saved]:
                if torch.is_tensor(tensor):
                    storage = tensor.untyped_storage()
                    kept[storage._cdata] = storage.nbytes()
    return sum(size for storage, size in kept.items() if storage not in weights)
