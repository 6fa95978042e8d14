"""Causal convolutions: padding, causality, and chunks that equal the whole clip."""

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from ldm.networks.videos.causal import CausalConv3d, Stream, in_chunks
from ldm.networks.videos.causal_layers import CausalUpsample


def clip(frames: int, channels: int = 2, side: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(frames)
    return torch.randn(1, channels, frames, side, side, generator=generator, dtype=torch.float64)


def test_time_is_padded_with_copies_of_the_first_frame_and_sides_with_zeros():
    conv, x = CausalConv3d(2, 2).double(), clip(5)
    padded = F.pad(torch.cat([x[:, :, :1], x[:, :, :1], x], 2), (1, 1, 1, 1))
    assert_close(conv(x), F.conv3d(padded, conv.weight, conv.bias))


def test_no_output_sees_later_frames():
    conv, x = CausalConv3d(2, 2).double(), clip(6)
    for frame in range(6):
        later = x.clone()
        later[:, :, frame + 1 :] += 1
        assert_close(conv(later)[:, :, : frame + 1], conv(x)[:, :, : frame + 1], rtol=0, atol=0)


@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (4, 3), (1, 1), (2, 2), (5, 2)])
@pytest.mark.parametrize("size", [1, 2, 4, 7])
def test_chunks_equal_the_whole_clip_and_keep_as_many_frames_as_the_rule_says(kernel, stride, size):
    conv, x = CausalConv3d(2, 2, kernel, stride, padding=1).double(), clip(1 + 6 * size)
    chunks = [x[:, :, :1], *x[:, :, 1:].split(size, 2)]
    stream, outputs = Stream(), []
    stream.last = False
    for number, chunk in enumerate(chunks):
        if size < stride and number:  # a chunk may complete no window
            break
        outputs.append(conv(chunk, stream))
        kept = kernel + number * size - stride * (number * size // stride + 1)
        (frames,) = stream._kept.values()
        assert frames.shape[2] == kept
    if len(outputs) == len(chunks):
        assert_close(torch.cat(outputs, 2), conv(x), rtol=0, atol=1e-12)


def test_the_rule_has_the_published_numbers():
    """Two frames at stride 1, one at stride 2, and one to three in turn for kernel 4, stride 3."""

    def kept(kernel: int, stride: int) -> list[int]:
        conv, stream, found = CausalConv3d(1, 1, kernel, stride, padding=1).double(), Stream(), []
        stream.last = False
        for chunk in [clip(1, 1), *clip(20, 1).split(4, 2)]:
            conv(chunk, stream)
            found.append(stream._kept[conv].shape[2])
        return found

    assert kept(3, 1) == [2] * 6
    assert kept(3, 2) == [1] * 6
    assert kept(4, 3) == [1, 2, 3, 1, 2, 3]


def test_nothing_is_kept_after_the_last_chunk_or_of_a_whole_clip():
    conv, stream = CausalConv3d(2, 2).double(), Stream()
    conv(clip(5), stream)
    assert not stream._kept
    sizes = []
    in_chunks(
        lambda x, stream: sizes.append((x.shape[2], stream.first, stream.last)) or x, clip(6), 2
    )
    assert sizes == [(1, True, False), (2, False, False), (2, False, False), (1, False, True)]


def test_upsampling_is_linear_in_time_and_leaves_the_first_frame_alone():
    up, x = CausalUpsample(2).double(), clip(4)
    rest = F.interpolate(x[:, :, 1:], scale_factor=2, mode="trilinear")
    first = F.interpolate(x[:, :, :1], scale_factor=(1, 2, 2), mode="trilinear")
    assert_close(up(x, Stream()), up.conv(torch.cat([first, rest], 2)))
    assert up(x[:, :, :1], Stream()).shape[2] == 1


@pytest.mark.parametrize("size", [1, 2, 3])
def test_upsampled_chunks_hold_one_frame_back_until_the_next(size):
    up, x, lengths = CausalUpsample(2).double(), clip(8), []

    def step(chunk, stream):
        y = up(chunk, stream)
        lengths.append(y.shape[2])
        return y

    assert_close(in_chunks(step, x, size), up(x, Stream()), rtol=0, atol=1e-12)
    assert sum(lengths) == 15
    assert lengths[:2] == [1, 2 * size - 1]
