"""One training step of a U-Net like LDM-8's, compared with diffusers' of the same weights.

A quarter of LDM-8's width, 64 channels at the finest level, and all else as on ImageNet: three
levels with attention to a class, heads of 32 channels. Batches of 8 latents of 4 x 32 x 32,
bfloat16 autocast, fused AdamW, on the CPU. Ours asks no queries where there is one place to attend
to, with the same result. Steps of both networks alternate, so that other load on the machine
affects both equally.

Run it with `python -m benchmarks.unet_step`.
"""

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from benchmarks.dit_step import Row, medians, training_step
from ldm.hub.unet import unet_to_diffusers
from ldm.networks.images.unet import UNet

BASELINE = "diffusers UNet2DConditionModel"
LEVELS, HEAD_WIDTH, CONTEXT, CLASSES = (64, 128, 256), 32, 512, 1000
TABLE = "y_embedder.embedding_table.weight"


def ours() -> UNet:
    """Build our network; its weights are those of the seed."""
    torch.manual_seed(0)
    sizes = {"attention": [1, 2, 4], "head_width": HEAD_WIDTH, "context": CONTEXT}
    return UNet([4, 32, 32], LEVELS[0], [1, 2, 4], classes=CLASSES, **sizes)


class Diffusers(nn.Module):
    """diffusers' network with the weights and the signature of ours."""

    def __init__(self) -> None:
        super().__init__()
        self.classes = nn.Embedding(CLASSES + 1, CONTEXT)
        self.net = UNet2DConditionModel(
            block_out_channels=LEVELS,
            down_block_types=["CrossAttnDownBlock2D"] * 3,
            up_block_types=["CrossAttnUpBlock2D"] * 3,
            attention_head_dim=[width // HEAD_WIDTH for width in LEVELS],  # the numbers of heads
            cross_attention_dim=CONTEXT,
        )
        state = ours().state_dict()
        self.classes.weight.data = state.pop(TABLE)
        self.net.load_state_dict(unet_to_diffusers(state, HEAD_WIDTH))

    def forward(self, x: Tensor, t: Tensor, label: Tensor) -> Tensor:
        return self.net(x, t, encoder_hidden_states=self.classes(label)[:, None]).sample


def rows() -> list[Row]:
    """Measure; one row: name, our seconds, baseline seconds, baseline, target."""
    nets = {"ours": ours(), "theirs": Diffusers()}
    seconds = medians({name: training_step(net, channels=4) for name, net in nets.items()})
    what = "U-Net training step, eager"
    return [(what, seconds["ours"], seconds["theirs"], BASELINE, "ratio at most 0.9")]


if __name__ == "__main__":
    for name, mine, theirs, baseline, target in rows():
        print(
            f"{name}: {mine:.3f} s, {baseline} {theirs:.3f} s, ratio {mine / theirs:.2f} ({target})"
        )
