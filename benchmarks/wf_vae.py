"""WF-VAE-S, compared with a plain causal VAE of equal width; and chunks with the whole clip.

Both networks begin with 128 channels and have 4 channels of latents, 4 x 8 x 8 times coarser. 17
frames of 128 x 128 are coded under bfloat16 autocast, and 65 of 96 x 96, in chunks and at once, in
float32. Each network runs in a process of its own: its time is that of the CPU, and its memory the
growth of its peak, without the weights, whose half-precision copies are not kept. The C library
gives the memory of freed tensors back at once, so that the peak is of tensors in use.

Run it with `python -m benchmarks.wf_vae`.
"""

import ast
import os
import resource
import subprocess
import sys
import time

import torch

from ldm.networks.videos import causal_vae, wf_vae

SHORT, LONG = (17, 128, True), (65, 96, False)  # frames, side, in half precision
FAMILIES = {"wf_vae": wf_vae, "causal_vae": causal_vae}
AT_ONCE = {"MALLOC_MMAP_THRESHOLD_": str(2**18)}  # of glibc; other systems ignore it
BASELINE = "plain causal VAE"
Row = tuple[str, float, float, str, str]


def peak() -> float:
    """Largest memory of this process so far, GiB."""
    scale = 2**30 if sys.platform == "darwin" else 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale


@torch.inference_mode()
def measure(family: str, frames: int, side: int, half: bool, chunk: int | None) -> list[float]:
    """Encode and decode a clip: seconds of the CPU for each, and GiB at the peak of both."""
    torch.manual_seed(0)
    networks = FAMILIES[family]
    encoder = networks.Encoder(width=128, chunk=chunk).eval()
    decoder = networks.Decoder(width=128, chunk=chunk).eval()
    x, before = torch.randn(1, 3, frames, side, side), peak()
    with torch.autocast("cpu", torch.bfloat16, half, cache_enabled=False):
        start = time.process_time()
        z = encoder(x)[:, :4].float()
        between = time.process_time()
        decoder(z)
    return [between - start, time.process_time() - between, peak() - before]


def alone(*given) -> list[float]:
    """Call `measure` in a process of its own."""
    code = f"from benchmarks.wf_vae import measure; print(measure(*{given}))"
    command, environment = [sys.executable, "-c", code], {**os.environ, **AT_ONCE}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return ast.literal_eval(done.stdout)


def rows() -> list[Row]:
    """Measure; one row per comparison: name, our seconds, baseline seconds, baseline, target."""
    ours, plain = alone("wf_vae", *SHORT, None), alone("causal_vae", *SHORT, None)
    chunks, whole = alone("wf_vae", *LONG, 1), alone("wf_vae", *LONG, None)
    less = f"peak memory of both {ours[2] / plain[2]:.2f} of its {plain[2]:.1f} GiB, at most 0.5"
    part = f"peak memory of both {chunks[2] / whole[2]:.2f} of its {whole[2]:.1f} GiB, at most 0.35"
    short = "17 frames of 128 x 128"
    long = "65 frames of 96 x 96, chunks of one latent"
    return [
        (f"WF-VAE-S encodes {short}", ours[0], plain[0], BASELINE, "ratio at most 0.55"),
        (f"WF-VAE-S decodes {short}", ours[1], plain[1], BASELINE, f"ratio at most 0.55; {less}"),
        (f"WF-VAE-S encodes {long}", chunks[0], whole[0], "the whole clip", "reported"),
        (f"WF-VAE-S decodes {long}", chunks[1], whole[1], "the whole clip", f"reported; {part}"),
    ]


if __name__ == "__main__":
    for name, ours, theirs, baseline, target in rows():
        print(f"{name}: {ours:.1f} s, {baseline} {theirs:.1f} s, {ours / theirs:.2f} ({target})")
