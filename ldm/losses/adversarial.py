"""Adversarial losses.

Sources: Lim and Ye 2017 (hinge); Goodfellow et al. 2014 (vanilla); Wang et al. 2024 (GSQ) for
logits averaged before the loss; Wang et al. 2018 (pix2pixHD) for feature matching.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import relu, softplus

from ldm.losses.adaptive import ADAPTIVE_RATIOS, gradient_norm
from ldm.losses.frames import frames_of

__all__ = ["DISCRIMINATOR_LOSSES", "GENERATOR_LOSSES", "Adversarial"]

Logits = Float[Tensor, "batch ..."]
Scalar = Float[Tensor, ""]


def hinge_generator(fake: Logits) -> Scalar:
    """Compute `-mean(fake)`."""
    return -fake.mean()


def vanilla_generator(fake: Logits) -> Scalar:
    """Compute `-log sigmoid(fake)`, averaged over all logits."""
    return softplus(-fake).mean()


def non_saturating_generator(fake: Logits) -> Scalar:
    """Compute `-log sigmoid` of each sample's mean logit, averaged over samples."""
    return softplus(-_per_sample(fake)).mean()


def hinge_discriminator(real: Logits, fake: Logits) -> Scalar:
    """Compute half of `relu(1 - real) + relu(1 + fake)`, averaged over all logits."""
    return (relu(1 - real).mean() + relu(1 + fake).mean()) / 2


def vanilla_discriminator(real: Logits, fake: Logits) -> Scalar:
    """Compute half of the sum of both cross entropies, averaged over all logits."""
    return (softplus(-real).mean() + softplus(fake).mean()) / 2


def non_saturating_discriminator(real: Logits, fake: Logits) -> Scalar:
    """Compute half of the sum of both cross entropies of each sample's mean logit."""
    return vanilla_discriminator(_per_sample(real), _per_sample(fake))


GENERATOR_LOSSES = {
    "hinge": hinge_generator,
    "vanilla": vanilla_generator,
    "non_saturating": non_saturating_generator,
}
DISCRIMINATOR_LOSSES = {
    "hinge": hinge_discriminator,
    "vanilla": vanilla_discriminator,
    "non_saturating": non_saturating_discriminator,
}


class Adversarial(nn.Module):
    """A discriminator with its own loss and the adversarial loss of the tokenizer.

    Args:
        discriminator: maps data `(batch, ...)` to logits `(batch, ...)`, one or more per sample.
        generator: name of the tokenizer's loss, see `GENERATOR_LOSSES`.
        discriminator_loss: name of the discriminator's loss, see `DISCRIMINATOR_LOSSES`.
        weight: weight of the tokenizer's adversarial loss.
        start: number of training samples after which both losses start; until then the
            discriminator is not called.
        adaptive: a name in `ADAPTIVE_RATIOS` to multiply the weight by the ratio of the norms of
            the gradients of the reconstruction and the adversarial loss at the decoder's last
            layer; None does not.
        penalties: terms of the discriminator's loss by name, see `ldm.losses.penalties`:
            `penalty(real data, its logits, logits of reconstructions)` returns a scalar, at each
            step or at those that its `every` divides.
        feature_matching: weight of the mean absolute difference of the discriminator's features of
            data and of reconstructions, summed over its layers; above 0, the discriminator has
            `features(x)`, whose last entry is the logits, which are not compared.
        frames: of clips `(batch, channels, frames, height, width)` that a discriminator of images
            judges, "every" or "random"; None for a discriminator of whole samples.

    Raises:
        ValueError: a name is unknown, or the discriminator has no features to match.

    Example: GSQ's choice, non-saturating loss for the tokenizer, hinge for the discriminator.
        >>> discriminator = nn.Conv2d(3, 1, 4, 4)
        >>> adversarial = Adversarial(discriminator, "non_saturating", "hinge", weight=0.1)
        >>> real, fake = torch.zeros(2, 3, 8, 8), torch.ones(2, 3, 8, 8)
        >>> loss, stats = adversarial.discriminator_loss(real, fake, samples=0)
        >>> sorted(stats)
        ['discriminator', 'logits_fake', 'logits_real']
    """

    def __init__(
        self,
        discriminator: nn.Module,
        generator: str,
        discriminator_loss: str,
        weight: float,
        start: int = 0,
        adaptive: str | None = None,
        penalties: Mapping[str, nn.Module] | None = None,
        feature_matching: float = 0.0,
        frames: str | None = None,
    ) -> None:
        super().__init__()
        if feature_matching and not hasattr(discriminator, "features"):
            raise ValueError(f"{type(discriminator).__name__} has no `features` to match")
        self.discriminator = discriminator
        self.penalties = nn.ModuleDict(dict(penalties or {}))
        self._generator = _named(GENERATOR_LOSSES, generator, "generator loss")
        self._loss = _named(DISCRIMINATOR_LOSSES, discriminator_loss, "discriminator loss")
        self._ratio = adaptive and _named(ADAPTIVE_RATIOS, adaptive, "adaptive weight")
        self.weight, self.start = weight, start
        self.feature_matching, self._seen = feature_matching, frames_of(frames)

    def forward(self, x: Float[Tensor, "batch ..."]) -> Float[Tensor, "seen ..."]:
        """Compute the discriminator's logits of data, or of their frames."""
        (seen,) = self._seen(x)
        return self.discriminator(seen)

    def generator_loss(
        self,
        real: Float[Tensor, "batch ..."],
        reconstruction: Float[Tensor, "batch ..."],
        nll: Float[Tensor, ""],
        last_layer: Tensor | None,
        samples: int,
    ) -> tuple[Scalar, dict[str, Scalar]]:
        """Compute the tokenizer's weighted loss; the discriminator gets no gradient.

        Args:
            real: the data.
            reconstruction: the decoder's output, with its graph.
            nll: the reconstruction loss, for the adaptive weight.
            last_layer: weight of the decoder's last layer; used by adaptive weights only. Exclude
                that layer from `torch.compile`: a compiled region has one backward pass for all
                its weights, so the two extra gradients would cost two full passes per step, and
                PyTorch raises an error if the first pass, before `start`, reused its buffers.
            samples: training samples seen so far.

        Raises:
            ValueError: the adaptive weight needs a last layer and none is given, or the
                reconstruction does not depend on it.
        """
        if samples < self.start:
            return reconstruction.new_zeros((), requires_grad=True), {}
        real, fake = self._seen(real, reconstruction)
        matching = None
        with _frozen(self.discriminator):
            if self.feature_matching:
                *features, logits = self.discriminator.features(fake)
                matching = self.feature_matching * self._mismatch(real, features)
            else:
                logits = self.discriminator(fake)
            loss = self._generator(_wide(logits))
        weight = loss.new_tensor(self.weight)
        if self._ratio is not None:
            weight = weight * self._ratio(*(gradient_norm(x, last_layer) for x in (nll, loss)))
        total, stats = weight * loss, {"generator": loss.detach(), "adversarial_weight": weight}
        if matching is None:
            return total, stats
        return total + matching, {**stats, "feature_matching": matching.detach()}

    def _mismatch(self, real: Tensor, fake: Sequence[Tensor]) -> Scalar:
        """Compute the mean absolute differences of features, summed over layers."""
        with torch.no_grad():
            *features, _ = self.discriminator.features(real)
        return sum((_wide(y) - _wide(x)).abs().mean() for x, y in zip(features, fake, strict=True))

    def discriminator_loss(
        self,
        real: Float[Tensor, "batch ..."],
        fake: Float[Tensor, "batch ..."],
        samples: int,
        step: int = 0,
    ) -> tuple[Scalar, dict[str, Scalar]]:
        """Compute the discriminator's loss; the tokenizer that made `fake` gets no gradient.

        Args:
            real: the data.
            fake: their reconstructions.
            samples: training samples seen so far.
            step: training steps before this one.
        """
        if samples < self.start:
            return real.new_zeros((), requires_grad=True), {}
        real, fake = self._seen(real, fake)
        due = {k: p for k, p in self.penalties.items() if step % getattr(p, "every", 1) == 0}
        if due:
            real = real.detach().requires_grad_()
        logits_real = _wide(self.discriminator(real))
        logits_fake = _wide(self.discriminator(fake.detach()))
        loss = self._loss(logits_real, logits_fake)
        terms = {k: p(real, logits_real, logits_fake) for k, p in due.items()}
        return loss + sum(terms.values()), {
            "discriminator": loss.detach(),
            "logits_real": logits_real.detach().mean(),
            "logits_fake": logits_fake.detach().mean(),
            **{name: term.detach() for name, term in terms.items()},
        }

    @property
    def frozen(self) -> list[nn.Module]:
        """Modules that the discriminator reads features of, neither trained nor saved."""
        return getattr(self.discriminator, "frozen", [])


@contextmanager
def _frozen(module: nn.Module) -> Iterator[None]:
    """Build graphs that pass gradients through the module but not to its parameters."""
    trained = [p for p in module.parameters() if p.requires_grad]
    for parameter in trained:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)


def _named(registry: dict, name: str, what: str):
    if name not in registry:
        raise ValueError(f"no {what} {name!r}: choose one of {', '.join(registry)}")
    return registry[name]


def _per_sample(logits: Logits) -> Float[Tensor, " batch"]:
    return logits.flatten(1).mean(1)


def _wide(x: Tensor) -> Tensor:
    # Logits are in half precision under autocast, which is too coarse for means and norms.
    return x.to(torch.promote_types(x.dtype, torch.float32))
