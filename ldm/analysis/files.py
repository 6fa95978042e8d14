"""Data of one's own files as a run reads them, and latents in files."""

from pathlib import Path
from typing import Any

from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from data import Batch
from data.files.whole import write_whole
from data.images.pixels import Pixels
from ldm.config.signatures import ConfigError
from ldm.run.parts import Parts

__all__ = ["load_latents", "read_data", "save_latents"]


def read_data(
    parts: Parts, n: int, files: str | None = None, split: str = "test", **asked: Any
) -> Batch:
    """Read the first samples of a split, or of a folder of files, as the run's networks see them.

    Args:
        parts: of the run.
        n: largest number of samples.
        files: folder of images, or of videos and folders of frames, resized and cropped as those of
            the test split; of videos, the first frames. None for the run's own data.
        split: of the run's own data.
        **asked: what files of one's own are said to be: `label=3`; else their labels are 0, 1, ...

    Raises:
        ConfigError: files are given to a run of other data than images and videos.
        DataError: the folder holds none, one cannot be read, or there is no such split.
    """
    data = parts.data
    if files is None:
        dataset = data.dataset_of(split)
        return dataset.__getitems__(list(range(min(n, len(dataset)))))
    if not isinstance(data, Pixels):
        raise ConfigError(f"{data.name} holds no images or videos: files=... is for runs of such")
    own = data.own_files(Path(files).expanduser())
    rows = list(range(min(n, len(own))))
    told = data.requests(rows, 0, **asked)
    found = own.__getitems__(rows)
    return {**told, **{key: x for key, x in found.items() if key not in ("label", *asked)}}


def save_latents(path: Path, latent: Float[Tensor, "n ..."], told: Batch, space: str) -> None:
    """Write normalised latents, and what a prior is told of them, as safetensors.

    Args:
        path: of the file.
        latent: normalised latents.
        told: labels, masks and the like, under `told.<key>` in the file.
        space: description of the latent space, by which `load_latents` knows other latents.
    """
    tensors = {"latent": latent} | {f"told.{key}": value for key, value in told.items()}
    kept = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
    write_whole(path, lambda part: save_file(kept, part, {"space": space}))


def load_latents(path: Path, space: str) -> tuple[Float[Tensor, "n ..."], Batch]:
    """Read what `save_latents` wrote.

    Raises:
        ConfigError: the file is not there, is damaged, or its latents have another space.
    """
    try:
        with safe_open(path, framework="pt") as file:
            found = (file.metadata() or {}).get("space")
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            latent = tensors.pop("latent")
    except (OSError, SafetensorError, KeyError) as error:
        raise ConfigError(f"{path} holds no latents that encode wrote: {error}") from error
    if found != space:
        raise ConfigError(f"{path} holds latents of {found}, and this run's are of {space}")
    return latent, {key.removeprefix("told."): value for key, value in tensors.items()}
