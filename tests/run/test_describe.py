"""Counts of operations and numbers in closed form, and the table as a user gets it."""

import pytest
import torch
from omegaconf import OmegaConf
from torch import nn

import train
from ldm.config.compose import compose
from ldm.run.describe import BYTES, FLOPS, amount, parameters, training_costs
from ldm.run.models import build_models
from ldm.run.parts import build_data


def test_a_linear_layer_costs_two_operations_a_weight_in_each_of_three_products():
    layer = nn.Linear(30, 20, bias=False)
    x = torch.zeros(7, 30, requires_grad=True)
    assert parameters(layer) == 600
    flops, kept = training_costs(lambda: layer(x).sum())
    assert flops == 3 * 2 * 7 * 600
    assert kept == 0  # weights and input are leaves, and nothing else is needed


def test_dit_xl_2_costs_the_published_operations():
    config = compose(
        ["data=imagenet256", "tokenizer=kl_f8", "prior=dit", "sampler=ddim", "run=runs/test"]
    )
    prior = build_models(config, build_data(config), ["prior"], "meta")["prior"]
    latent, label = torch.zeros(1, 4, 32, 32, device="meta"), torch.zeros(1, device="meta").long()
    flops, _ = training_costs(lambda: prior.loss(latent, {"label": label})["loss"].sum())
    # Peebles and Xie count 118.6 G multiply-adds forward; backward costs twice as much.
    assert flops / 6e9 == pytest.approx(118.6, abs=0.05)


@pytest.mark.parametrize(
    ("number", "flops", "size"),
    [
        (0, "0 FLOPs", "0 B"),
        (999, "999 FLOPs", "999 B"),
        (1024, "1.02 kFLOPs", "1.00 KiB"),
        (999_999, "1.00 MFLOPs", "976.56 KiB"),
        (237e9, "237.00 GFLOPs", "220.72 GiB"),
        (5e18, "5,000.00 PFLOPs", "4,547,473.51 TiB"),
    ],
)
def test_amounts_are_in_the_unit_that_suits_them(number, flops, size):
    assert amount(number, FLOPS, 1000) == flops
    assert amount(number, BYTES, 1024) == size


def test_small_networks_do_not_cost_nothing(tmp_path, capsys):
    train.main(["experiment=demo/sphere", "describe=true", f"run={tmp_path}"])
    out = capsys.readouterr().out
    assert " 0.0" not in out
    assert "kFLOPs" in out
    assert "KiB" in out


def test_the_table_of_the_demo(tmp_path, capsys):
    run = tmp_path / "run"
    options = ["prior.training.samples=1001", "prior.training.batch_size=10", "seed=5"]
    train.main(["experiment=demo/digits", "describe=true", f"run={run}", *options])
    text = " ".join(capsys.readouterr().out.replace("│", " ").split())
    config = OmegaConf.load(run / "config.yaml")
    models = build_models(config, build_data(config), ["prior"], "meta")
    tokenizer, numbers = models["tokenizer"], parameters(models["prior"])
    trained = sum(p.numel() for p in models["prior"].parameters() if p.requires_grad)
    tensors = sum(p.requires_grad for p in models["prior"].parameters())
    for cells in (
        "digits, (1, 8, 8), latents in Flat(4, 4, 4)",
        f"tokenizer.encoder Encoder {parameters(tokenizer.encoder):,}",
        f"tokenizer parameters {parameters(tokenizer):,}",
        f"prior.backbone DiT {numbers:,}",
        "prior steps x batch 101 x 10",
        # Weights, gradients, averaged weights, two moments and a count of four bytes.
        f"prior memory of weights and optimizer "
        f"{(numbers * 12 + trained * 8 + tensors * 4) / 2**20:.2f} MiB",
    ):
        assert cells in text
    assert config.data.seed == 5
    assert str(run / "config.yaml") in text.replace(" ", "")
    assert not (run / "tokenizer").exists()


def test_a_prior_of_points_is_described_alone(tmp_path, capsys):
    train.main(["experiment=rsgm/flood_dsm", "describe=true", f"run={tmp_path}"])
    text = " ".join(capsys.readouterr().out.replace("│", " ").split())
    # Three coordinates and the time; five hidden layers; three rotations of the sphere.
    assert f"prior parameters {5 * 512 + 4 * 513 * 512 + 513 * 3:,}" in text
    assert "tokenizer parameters" not in text


def test_a_tokenizer_alone_is_described(tmp_path, capsys):
    groups = ["data=imagenet256", "tokenizer=kl_f8", "stages=[tokenizer]"]
    train.main([*groups, "describe=true", f"run={tmp_path}"])
    out = capsys.readouterr().out
    assert "83,653,863" in out
    assert "prior" not in out


def test_simulated_noise_costs_nothing_however_many_its_steps(tmp_path, capsys):
    def flops(steps: int) -> str:
        train.main(
            [
                "experiment=rsgm/hyperboloid",
                f"prior.process.steps={steps}",
                "describe=true",
                f"run={tmp_path}",
            ]
        )
        lines = capsys.readouterr().out.splitlines()
        return next(line for line in lines if "FLOPs a sample" in line)

    assert flops(3) == flops(2000)
