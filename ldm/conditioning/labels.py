"""Conditions a prior is trained with, and the empty condition that guidance needs."""

import torch
from torch import Tensor

from ldm.randomness import Generators, uniform

__all__ = ["LabelDropout"]

Condition = dict[str, Tensor]


class LabelDropout:
    """Class labels, some of which are replaced by a null label in training (Ho and Salimans 2022).

    Args:
        classes: how many labels there are; the null label is the next number.
        rate: share of labels dropped in training.

    Example:
        >>> LabelDropout(10).null({"label": torch.tensor([3, 4])})
        {'label': tensor([10, 10])}
    """

    def __init__(self, classes: int, rate: float = 0.1) -> None:
        self.classes, self.rate = classes, rate

    def keep(self, condition: Condition) -> Condition:
        """The part of a condition that the backbone reads.

        Raises:
            ValueError: labels are absent.
        """
        if "label" not in condition:
            raise ValueError(
                "this prior is class-conditional but the batch has no label: use labelled data, "
                "or set prior.conditioning=null and prior.backbone.classes=0"
            )
        return {"label": condition["label"]}

    def drop(self, condition: Condition, generator: Generators = None) -> Condition:
        """Replace a random share of labels by the null label."""
        label = condition["label"]
        dropped = uniform((len(label),), generator, label.device) < self.rate
        return {"label": torch.where(dropped, self.classes, label)}

    def null(self, condition: Condition) -> Condition:
        """Replace all labels by the null label."""
        return {"label": torch.full_like(condition["label"], self.classes)}
