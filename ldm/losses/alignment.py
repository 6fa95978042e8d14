"""Alignment of a tokenizer's latents with the features of a pretrained network.

Source: Yao and Wang, "Reconstruction vs. Generation: Taming Optimization Dilemma in Latent
Diffusion Models" (VA-VAE), 2025, equations 2 to 6.
"""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import normalize, relu

from ldm.losses.adaptive import gradient_norm, vavae_ratio

__all__ = ["Alignment", "marginal_cosine", "marginal_distance_matrix"]

Grid = Float[Tensor, "b d h w"]


def marginal_cosine(z: Grid, features: Grid, margin: float) -> Float[Tensor, ""]:
    """Compute the mean over tokens of `relu(1 - margin - cos(z, feature))`."""
    cosine = (normalize(z, dim=1) * normalize(features, dim=1)).sum(1)
    return relu(1 - margin - cosine).mean()


def marginal_distance_matrix(z: Grid, features: Grid, margin: float) -> Float[Tensor, ""]:
    """Compute the mean over pairs of an image's tokens of the cosines' difference beyond a margin.

    It is `relu(|cos(z_i, z_j) - cos(feature_i, feature_j)| - margin)`.
    """
    own, other = (normalize(x.flatten(2), dim=1) for x in (z, features))
    return relu((own.mT @ own - other.mT @ other).abs() - margin).mean()


class Alignment(nn.Module):
    """Both losses of a trained linear map of the latents, with an adaptive weight.

    The weight is multiplied by the ratio of the norms of the gradients of the reconstruction loss
    and of the alignment at the encoder's last layer, at most 1e8.

    Args:
        latent_channels: of the tokenizer.
        features: `features.grid_of(images)` are those of a frozen network on the latents' grid, and
            `features.width` is how many they are, see `PatchFeatures`.
        weight: of the losses.
        cosine_margin, distance_margin: differences that cost nothing.

    Raises:
        ValueError: latents and features have different grids.
    """

    def __init__(
        self,
        latent_channels: int,
        features: nn.Module,
        weight: float = 0.1,
        cosine_margin: float = 0.5,
        distance_margin: float = 0.25,
    ) -> None:
        super().__init__()
        self.frozen = [features]  # a list, so neither a submodule nor saved
        self.project = nn.Conv2d(latent_channels, features.width, 1, bias=False)
        self.weight = weight
        self.margins = cosine_margin, distance_margin

    def forward(
        self,
        x: Float[Tensor, "b c height width"],
        latent: Grid,
        nll: Float[Tensor, ""],
        last_layer: Tensor,
    ) -> tuple[Float[Tensor, ""], dict[str, Float[Tensor, ""]]]:
        """Compute the weighted loss and what to log.

        Args:
            x: images.
            latent: their latents, with the encoder's graph.
            nll: reconstruction loss.
            last_layer: weight of the encoder's last layer.
        """
        features, z = self.compared(x, latent)
        loss = marginal_cosine(z, features, self.margins[0])
        loss = loss + marginal_distance_matrix(z, features, self.margins[1])
        ratio = vavae_ratio(gradient_norm(nll, last_layer), gradient_norm(loss, last_layer))
        weight = self.weight * ratio
        return weight * loss, {"alignment": loss.detach(), "alignment_weight": weight}

    def compared(self, x: Float[Tensor, "b c height width"], latent: Grid) -> tuple[Tensor, Tensor]:
        """Compute features of images, and the map of their latents.

        Raises:
            ValueError: they have different grids.
        """
        features, z = self.frozen[0].grid_of(x).float(), self.project(latent).float()
        if features.shape != z.shape:
            raise ValueError(
                f"latents on a grid of {tuple(z.shape[2:])} cannot be aligned with features on one "
                f"of {tuple(features.shape[2:])}: set `side` of the features to the latents' sides "
                f"times the patch"
            )
        return features, z
