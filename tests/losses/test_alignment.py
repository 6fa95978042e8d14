"""Closed forms of the alignment losses, and the balance of their adaptive weight."""

import pytest
import torch
from PIL import Image
from torch import nn
from torch.testing import assert_close

from ldm.config.compose import ConfigError, compose
from ldm.losses import Alignment
from ldm.losses.alignment import marginal_cosine, marginal_distance_matrix
from ldm.run.checks import check_tokenizer_losses
from ldm.run.models import build_models
from ldm.run.parts import Parts, build_data
from ldm.run.stages import build_training


class Features(nn.Module):
    """A fixed map of an image to features on a grid a quarter as fine."""

    width = 6

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 6, 4, 4)

    def grid_of(self, x):
        return self.patches(x)


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_both_losses_equal_loops_over_tokens():
    z, f = normal(2, 5, 3, 2), normal(2, 5, 3, 2, seed=1)
    single, double = [], []
    for sample in range(2):
        tokens = [x[sample].flatten(1).T for x in (z, f)]
        cosine = torch.nn.functional.cosine_similarity
        for i in range(6):
            single.append((1 - 0.3 - cosine(tokens[0][i], tokens[1][i], dim=0)).clamp(min=0))
            for j in range(6):
                own, other = (cosine(t[i], t[j], dim=0) for t in tokens)
                double.append(((own - other).abs() - 0.2).clamp(min=0))
    assert_close(marginal_cosine(z, f, 0.3), torch.stack(single).mean())
    assert_close(marginal_distance_matrix(z, f, 0.2), torch.stack(double).mean())


def test_losses_are_zero_within_their_margins_whatever_the_lengths():
    z = normal(2, 5, 3, 2)
    scaled = z * torch.rand(2, 1, 3, 2, dtype=torch.float64).add(0.1)
    assert_close(marginal_cosine(scaled, z, 0.0).item(), 0.0)
    assert_close(marginal_distance_matrix(scaled, z, 0.0).item(), 0.0)
    rotation = torch.linalg.qr(normal(5, 5, seed=2)).Q
    turned = torch.einsum("de,behw->bdhw", rotation, z)
    assert_close(marginal_distance_matrix(turned, z, 0.0).item(), 0.0)
    assert marginal_cosine(turned, z, 0.0) > 0.1
    assert marginal_cosine(turned, z, 2.0) == 0


def test_the_weight_balances_the_gradients_at_the_encoders_last_layer():
    torch.manual_seed(0)
    encoder, alignment = nn.Conv2d(3, 4, 4, 4), Alignment(4, Features(), weight=0.1)
    x = torch.randn(2, 3, 8, 8)
    latent = encoder(x)
    nll = latent.square().sum()
    loss, stats = alignment(x, latent, nll, encoder.weight)
    (of_nll,) = torch.autograd.grad(nll, encoder.weight, retain_graph=True)
    (of_loss,) = torch.autograd.grad(loss, encoder.weight, retain_graph=True)
    assert_close(of_loss.norm(), 0.1 * of_nll.norm(), rtol=1e-2, atol=0)
    assert_close(loss.detach(), stats["alignment"] * stats["alignment_weight"])
    loss.backward()
    assert alignment.project.weight.grad.abs().sum() > 0
    assert list(alignment.state_dict()) == ["project.weight"]


def test_another_grid_is_refused():
    encoder, x = nn.Conv2d(3, 4, 2, 2), torch.randn(2, 3, 8, 8)
    latent = encoder(x)
    with pytest.raises(ValueError, match=r"a grid of \(4, 4\) .* on one of \(2, 2\)"):
        Alignment(4, Features())(x, latent, latent.sum(), encoder.weight)


def test_latents_on_another_grid_than_features_are_refused_before_training(tmp_path):
    for split in ("train", "test"):
        (tmp_path / split).mkdir()
        Image.new("RGB", (9, 9)).save(tmp_path / split / "0.png")
    groups = ["data=image_folder", f"data.root={tmp_path}", "data.size=128", "tokenizer=va_vae"]
    config = compose([*groups, "stages=[tokenizer]", "run=unused", "eval=none"])
    data = build_data(config)
    parts = Parts(config, data, build_models(config, data, ["tokenizer"], "meta"))
    with torch.device("meta"):
        training = build_training(parts, "tokenizer")
    with pytest.raises(ConfigError, match=r"training\.alignment does not fit .*\(8, 8\) cannot be"):
        check_tokenizer_losses(parts, "tokenizer", training)
