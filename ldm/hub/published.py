"""The register of published weights: address, checksum, conversion, and the model that fits."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import torch
from torch import Tensor, nn

from data.files.download import digest, download
from data.files.errors import DataError
from data.files.roots import cache_folder
from ldm.hub.diffusers import autoencoder_from_diffusers
from ldm.hub.weights import BadCheckpoint, put, read_state

__all__ = ["PUBLISHED", "Published", "cached", "fetch", "load_published", "published_state"]


@dataclass(frozen=True)
class Published:
    """A file of weights that its authors serve.

    Attributes:
        url: address of the file.
        sha256: checksum of the file, in hexadecimal; None where no public source states it. Such
            a file is never downloaded: the user puts it in the cache.
        names: file names in caches, the first for a new download.
        note: licence, origin and, where there is no checksum, why.
        config: group and member of the shipped configuration that builds the model; None for
            networks that no configuration builds.
        module: submodule of the configured model that the file holds; "" for the whole model.
        convert: the file's state dict to that of the module.
        mean, std: mean and standard deviation of the tokenizer's raw latents, for all channels or
            for each; None where the file has its own or the model has none.
    """

    url: str
    sha256: str | None
    names: tuple[str, ...]
    note: str
    config: str | None = None
    module: str = ""
    convert: Callable[[Mapping[str, Tensor]], dict[str, Tensor]] = dict
    mean: float | tuple[float, ...] | None = None
    std: float | tuple[float, ...] | None = None


PUBLISHED = {
    "sd-vae-ft-mse": Published(
        url="https://huggingface.co/stabilityai/sd-vae-ft-mse/resolve/"
        "31f26fdeee1355a5c34592e401dd41e45d25a493/diffusion_pytorch_model.safetensors",
        sha256="a1d993488569e928462932c8c38a0760b874d166399b14414135bd9c42df5815",
        names=("sd-vae-ft-mse.safetensors",),
        note="MIT. Stable Diffusion's KL f8, its decoder fine-tuned on squared error and LPIPS.",
        config="tokenizer=kl_f8",
        convert=autoencoder_from_diffusers,
        mean=0.0,
        std=1 / 0.18215,
    ),
    "sd-vae-ft-ema": Published(
        url="https://huggingface.co/stabilityai/sd-vae-ft-ema/resolve/"
        "f04b2c4b98319346dad8c65879f680b1997b204a/diffusion_pytorch_model.safetensors",
        sha256=None,
        names=("sd-vae-ft-ema.safetensors",),
        note="MIT. Stable Diffusion's KL f8, its decoder fine-tuned on L1 and LPIPS. No public "
        "source that we could check states the SHA-256 of this file.",
        config="tokenizer=kl_f8",
        convert=autoencoder_from_diffusers,
        mean=0.0,
        std=1 / 0.18215,
    ),
    "DiT-XL-2-256": Published(
        url="https://dl.fbaipublicfiles.com/DiT/models/DiT-XL-2-256x256.pt",
        sha256="9ec1876e4c03471bca126663a30e2d1b20610b6d2f87850a39a36f25cc685521",
        names=("DiT-XL-2-256x256.pt",),
        note="CC-BY-NC 4.0. Averaged weights after 7M steps on ImageNet 256; our DiT has the "
        "authors' parameter names, the fixed `pos_embed` included.",
        config="prior=dit",
        module="backbone",
    ),
    "inception": Published(
        url="https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/"
        "pt_inception-2015-12-05-6726825d.pth",
        sha256="6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
        names=(
            "pt_inception-2015-12-05-6726825d.pth",
            "weights-inception-2015-12-05-6726825d.pth",
        ),
        note="Apache-2.0. TensorFlow's Inception graph of 2015-12-05, ported to PyTorch, for FID.",
    ),
    "chemnet": Published(
        url="https://github.com/bioinf-jku/FCD",
        sha256=None,
        names=("chemnet.pt",),
        note="LGPL-3.0, as recalled. ChemNet, for the Fréchet ChemNet distance, as TorchScript "
        "that reads SMILES, see eval/extractors/chemnet.py. Its authors serve another form, from "
        "which each user exports this one, so that its SHA-256 cannot be known.",
    ),
    "i3d_torchscript": Published(
        url="https://www.dropbox.com/s/ge9e5ujwgetktms/i3d_torchscript.pt",
        sha256=None,
        names=("i3d_torchscript.pt",),
        note="Apache-2.0, as recalled. I3D of Kinetics-400 as TorchScript, of StyleGAN-V. No "
        "public source that we could check states the SHA-256 of this file.",
    ),
    "i3d_pretrained_400": Published(
        url="https://github.com/wilson1yan/VideoGPT",
        sha256=None,
        names=("i3d_pretrained_400.pt",),
        note="Apache-2.0, as recalled. I3D ported to PyTorch, for FVD of DIGAN, PVDM, LVDM and "
        "cd-fvd. No public source that we could check states the SHA-256 of this file.",
    ),
    "videomae_vitg_ssv2": Published(
        url="https://github.com/OpenGVLab/VideoMAEv2",
        sha256=None,
        names=("vit_g_hybrid_pt_1200e_ssv2_ft.pth",),
        note="MIT, as recalled. VideoMAE v2's ViT-g, fine-tuned on Something-Something v2, for the "
        "second network of cd-fvd. No public source that we could check states the SHA-256 of this "
        "file.",
    ),
    "c3d_ucf101": Published(
        url="https://github.com/universome/stylegan-v",
        sha256=None,
        names=("c3d_ucf101.pt",),
        note="MIT, as recalled of TGANv2, whose network is ported. C3D of UCF-101 as TorchScript, "
        "for the inception score of videos; see eval/extractors/videos/c3d.py. No public source "
        "that we could check states the SHA-256 of this file.",
    ),
    "dinov2_vits14_reg": Published(
        url="https://dl.fbaipublicfiles.com/dinov2/dinov2_vits14/dinov2_vits14_reg4_pretrain.pth",
        sha256=None,
        names=("dinov2_vits14_reg4_pretrain.pth",),
        note="Apache-2.0. DINOv2's ViT-S/14 with four registers, for a discriminator. No public "
        "source that we could check states the SHA-256 of this file.",
    ),
    "dinov2_vitl14": Published(
        url="https://dl.fbaipublicfiles.com/dinov2/dinov2_vitl14/dinov2_vitl14_pretrain.pth",
        sha256=None,
        names=("dinov2_vitl14_pretrain.pth",),
        note="Apache-2.0. DINOv2's ViT-L/14, for aligned latents and FD-DINOv2. No public source "
        "that we could check states the SHA-256 of this file.",
    ),
    "clip_vitl14_336": Published(
        url="https://huggingface.co/openai/clip-vit-large-patch14-336",
        sha256=None,
        names=("clip-vit-large-patch14-336.safetensors", "clip-vit-large-patch14-336.bin"),
        note="MIT, as recalled. CLIP's ViT-L/14 at 336 pixels, `model.safetensors` or "
        "`pytorch_model.bin` there, for CMMD. No public source that we could check states the "
        "SHA-256 of these files.",
    ),
    "vgg16": Published(
        url="https://download.pytorch.org/models/vgg16-397923af.pth",
        sha256="397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
        names=("vgg16-397923af.pth",),
        note="BSD-3-Clause. torchvision's VGG-16, for LPIPS in training.",
    ),
    "vgg19": Published(
        url="https://download.pytorch.org/models/vgg19-dcbb9e9d.pth",
        sha256=None,
        names=("vgg19-dcbb9e9d.pth",),
        note="BSD-3-Clause. torchvision's VGG-19, for LFDM in training; of its SHA-256 the first "
        "digits alone are published, dcbb9e9d.",
    ),
    "alexnet": Published(
        url="https://download.pytorch.org/models/alexnet-owt-7be5be79.pth",
        sha256="7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
        names=("alexnet-owt-7be5be79.pth",),
        note="BSD-3-Clause. torchvision's AlexNet, for LPIPS in evaluation.",
    ),
}


def cached(name: str) -> Path | None:
    """Find published weights among the files that are here, unchecked."""
    folders = cache_folder(), Path(torch.hub.get_dir()) / "checkpoints"
    paths = (folder / each for folder in folders for each in PUBLISHED[name].names)
    return next((path for path in paths if path.is_file()), None)


def fetch(name: str, file: str | PathLike[str] | None = None) -> Path:
    """Find published weights: the given file, else a cached one, else a fresh download.

    Looks in `cache_folder()`, then among torch.hub's checkpoints; downloads into the former. A
    cached file and a download are checked by their SHA-256 before they are used. A file given by
    hand is taken as it is.

    Args:
        name: in `PUBLISHED`.
        file: weights given by hand.

    Raises:
        BadCheckpoint: the file is missing, damaged, or cannot be downloaded.
    """
    if file is not None:
        if not Path(file).is_file():
            raise BadCheckpoint(f"no weights of {name!r} at {file}: give the path of the file")
        return Path(file)
    published = PUBLISHED[name]
    if (path := cached(name)) is not None:
        _check(path, published.sha256)
        return path
    path = cache_folder() / published.names[0]
    if published.sha256 is None:
        raise BadCheckpoint(
            f"the weights {name!r} are not here, and as their checksum is not known they are not "
            f"downloaded: get them at {published.url} yourself, and put them at {path}. "
            f"{published.note}"
        )
    try:
        download(path, published.sha256, published.url)
    except DataError as error:
        raise BadCheckpoint(
            f"the weights {name!r} are not here and could not be fetched: {error}"
        ) from error
    return path


def published_state(
    name: str, model: nn.Module, file: str | PathLike[str] | None = None
) -> dict[str, Tensor]:
    """Read published weights under the names of their module, with the statistics of latents.

    Args:
        name: in `PUBLISHED`.
        model: as the configuration of that name builds it.
        file: weights given by hand; otherwise `fetch` finds them.

    Raises:
        BadCheckpoint: as for `fetch`, or the file holds something else.
    """
    published, path = PUBLISHED[name], fetch(name, file)
    state = read_state(path)
    try:
        state = published.convert(state)
        module = model.get_submodule(published.module)
    except (LookupError, ValueError) as error:
        raise BadCheckpoint(f"{path} does not hold the weights {name!r}: {error}") from error
    except AttributeError as error:
        raise BadCheckpoint(f"{path} is not for such a model but for {published.config}") from error
    if published.std is not None:
        for key, value in (("mean", published.mean), ("std", published.std)):
            state[key] = torch.as_tensor(value).expand_as(getattr(module, key))
    return state


def load_published(name: str, model: nn.Module, file: str | PathLike[str] | None = None) -> None:
    """Load published weights in a model, all of them.

    Args:
        name, model, file: as for `published_state`.

    Raises:
        BadCheckpoint: as for `published_state`, or the weights are not finite or do not fit.
    """
    path, published = fetch(name, file), PUBLISHED[name]
    state = published_state(name, model, path)
    reader = f"the configured model, which should be of {published.config}"
    put(state, model.get_submodule(published.module), path, reader)


def _check(path: Path, sha256: str | None) -> None:
    if sha256 is not None and (found := digest(path)) != sha256:
        raise BadCheckpoint(
            f"{path} is damaged: its SHA-256 begins with {found[:8]}, not {sha256[:8]}; "
            "delete it, and it is fetched again"
        )
