"""Reading images from tar shards, compared with a folder of the same files.

512 JPEG files of 256 x 256 pixels in eight classes, and four shards of them; both are in the cache
of the operating system. Ways alternate, and read the same batches, cropped to 224 pixels.

Run it with `python -m benchmarks.shards`.
"""

import io
import statistics
import tarfile
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

from data import DataModule, ImageFolder, ImageShards

IMAGES, SHARDS, BATCH, ROUNDS = 512, 4, 64, 5
Row = tuple[str, float, float, str, str]


def write(folder: Path) -> None:
    """Write the images to `folder/files/<class>/` and `folder/shards/train-<n>.tar`."""
    rng = np.random.default_rng(0)
    (folder / "shards").mkdir()
    for shard in range(SHARDS):
        with tarfile.open(folder / "shards" / f"train-{shard}.tar", "w") as tar:
            for number in range(shard * IMAGES // SHARDS, (shard + 1) * IMAGES // SHARDS):
                label = number * 8 // IMAGES
                coarse = Image.fromarray(rng.integers(0, 256, (32, 32, 3), np.uint8))
                content = io.BytesIO()
                coarse.resize((256, 256), Image.Resampling.BICUBIC).save(content, "JPEG")
                path = folder / "files" / str(label) / f"{number:05d}.jpg"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content.getvalue())
                for end, part in (("jpg", content.getvalue()), ("cls", str(label).encode())):
                    header = tarfile.TarInfo(f"{number:05d}.{end}")
                    header.size = len(part)
                    tar.addfile(header, io.BytesIO(part))


def epoch(data: DataModule) -> float:
    """Read as many images as there are; returns seconds."""
    start = time.perf_counter()
    for _ in data.train_batches(0, IMAGES, 0, 1, BATCH):
        pass
    return time.perf_counter() - start


def rows() -> list[Row]:
    """Measure; one row: name, our seconds, baseline seconds, baseline, target."""
    seconds: dict[str, list[float]] = {"shards": [], "files": []}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write(folder)
        given = {"size": 224, "workers": 0, "test_fraction": 0.01}
        sets = {
            "shards": ImageShards(str(folder / "shards"), **given),
            "files": ImageFolder(str(folder / "files"), verify=False, **given),
        }
        for _ in range(ROUNDS + 1):
            for name, data in sets.items():
                seconds[name].append(epoch(data))
    shards, files = (statistics.median(seconds[name][1:]) for name in ("shards", "files"))
    return [(f"{IMAGES} JPEG files from tar shards", shards, files, "a folder", "at most 1.1x")]


if __name__ == "__main__":
    for name, ours, baseline, against, target in rows():
        print(f"{name}: {ours:.2f} s, {ours / baseline:.2f} of {against} ({target})")
