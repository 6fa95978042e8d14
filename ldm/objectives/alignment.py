"""Noise that is exchanged and turned to lie close to data, so that flows run straight.

Sources: Klein, Krämer and Noé, "Equivariant flow matching", 2023; Song et al., "Equivariant flow
matching with hybrid probability transport for 3D molecule generation", 2023.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from ldm.spaces import PointSet, Space

__all__ = ["Alignment", "best_order", "best_rotation"]


class Alignment:
    """Pairs each point set with noise whose points and frame were chosen to be close to it.

    The noise of a set is given the order of its points, and then the rotation, at which the squared
    distance between positions is least. Features are exchanged with their points, whatever they
    are. Both leave the law of noise as it is if data have no order and frame of their own: where
    the network is equivariant, or molecules are rotated at random.
    """

    def check(self, space: Space) -> None:
        """Refuse spaces but those of point sets in three dimensions.

        Raises:
            ValueError: it is another one.
        """
        if not isinstance(space, PointSet) or space.equivariant != 3:
            raise ValueError(
                f"only point sets in space can be aligned, not {space}: set objective.coupling=null"
            )

    def __call__(
        self,
        space: PointSet,
        latent: Float[Tensor, "n places features"],
        eps: Float[Tensor, "n places features"],
    ) -> Float[Tensor, "n places features"]:
        """Noise closer to the latents, from noise `eps` of the same space."""
        mask = torch.ones(eps.shape[:2]).bool() if space.mask is None else space.mask
        order = best_order(latent[..., :3], eps[..., :3], mask.expand(len(eps), -1))
        eps = eps.gather(1, order.unsqueeze(-1).expand_as(eps))
        turned = _product(eps[..., :3], best_rotation(latent[..., :3], eps[..., :3]))
        return torch.cat([turned, eps[..., 3:]], -1)


@torch.no_grad()
def best_order(
    x: Float[Tensor, "n places 3"], y: Float[Tensor, "n places 3"], mask: Bool[Tensor, "n places"]
) -> Tensor:
    """Indices `(n, places)` that exchange points `y`, each with the one of `x` it is to lie at.

    Empty places stay where they are.
    """
    from scipy.optimize import linear_sum_assignment  # late: others start faster without it

    costs = torch.cdist(x.float(), y.float()).square().cpu().numpy()
    order = torch.arange(x.shape[1]).repeat(len(x), 1)
    for row, own in enumerate(mask.cpu()):
        places = own.nonzero()[:, 0]
        cost = costs[row][places.numpy()][:, places.numpy()]
        order[row, places] = places[torch.from_numpy(linear_sum_assignment(cost)[1])]
    return order.to(x.device)


@torch.no_grad()
def best_rotation(
    x: Float[Tensor, "n places 3"], y: Float[Tensor, "n places 3"]
) -> Float[Tensor, "n 3 3"]:
    """Rotations by which `y @ rotation` is closest to `x`; empty places hold zeros.

    Source: Kabsch, "A solution for the best rotation to relate two sets of vectors", 1976.
    """
    u, _, v = torch.linalg.svd(_product(y.mT, x))
    sign = torch.linalg.det(u) * torch.linalg.det(v)
    keep = torch.stack([torch.ones_like(sign), torch.ones_like(sign), sign], -1)
    return _product(u * keep.unsqueeze(-2), v)


def _product(a: Float[Tensor, "n i k"], b: Float[Tensor, "n k j"]) -> Float[Tensor, "n i j"]:
    """The matrix product, which autocast does not round."""
    return (a.unsqueeze(-1) * b.unsqueeze(-3)).sum(-2)
