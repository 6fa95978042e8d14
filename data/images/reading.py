"""Reading of single image files: which formats, how large, and what their numbers mean."""

import warnings
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from data.files.errors import DataError

__all__ = [
    "BITS",
    "EXTENSIONS",
    "brightest",
    "convert",
    "is_turned",
    "open_image",
    "read_image",
]

EXTENSIONS = (".jpg", ".jpeg", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")

# Named one by one: Pillow would try all it knows, and run Ghostscript on PostScript.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")

SKIP = ", or set skip_corrupt=True"
REMEDY = f"mend or remove it{SKIP}"

BITS = 16
DEEP = "16-bit colours"  # in an image's `info`
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""The transposition that makes an image upright, by its EXIF orientation tag."""

LARGEST = 1 << 27  # pixels
# Pillow warns from fewer pixels on, and refuses from more: one message for each image is enough.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)
LONGEST = 1000  # times as long as wide; resizing the short side enlarges the other as much


def open_image(file: Path | BytesIO, name: str | None = None) -> Image.Image:
    """Decode an image, the first one where a file holds several.

    Args:
        file: path of the file, or its content.
        name: of the file in messages; by default its path.

    Raises:
        DataError: the file is damaged, of another format than `FORMATS`, or so large that it would
            fill the memory; the message names it.
    """
    name = str(file) if name is None else name
    try:
        with Image.open(file, formats=FORMATS) as image:
            long, short = max(image.size), max(1, min(image.size))
            if long * short > LARGEST or long > LONGEST * short:
                raise DataError(
                    f"{name} is too large, {image.width}x{image.height}: images have at most "
                    f"{LARGEST / 1e6:.0f} million pixels, and are at most {LONGEST} times as long "
                    "as wide; crop or remove it"
                )
            deep = any(";16" in str(tile.args) for tile in image.tile) and image.mode[0] != "I"
            image.load()
            image.info[DEEP] = deep
            return image
    except DataError:
        raise
    except Exception as error:  # decoders raise whatever the damage leads them to
        formats = ", ".join(FORMATS)
        # Pillow's own words name an object in memory.
        reason = "of none" if isinstance(error, UnidentifiedImageError) else error
        raise DataError(f"{name} is not a sound image of {formats} ({reason}): {REMEDY}") from error


def read_image(
    path: Path, channels: int = 3, bits: int = BITS, upright: bool = False
) -> Image.Image:
    """Decode a file to a grey or colour image; see `convert`.

    Raises:
        DataError: as for `open_image` and `convert`.
    """
    return convert(open_image(path), str(path), channels, bits, upright)


def convert(
    image: Image.Image, name: str, channels: int = 3, bits: int = BITS, upright: bool = False
) -> Image.Image:
    """Convert an image to grey or colour, of bytes or of numbers in [0, 1] (PIL's mode "F").

    Transparency is ignored. Numbers of floating-point images (TIFF) must be in [0, 1], those of
    grey 16-bit images are scaled to it; both are grey, and repeated for colour when they are used.
    16-bit colours are rounded down to bytes.

    Args:
        image: from `open_image`.
        name: of the file, for messages.
        channels: 1 for grey, 3 for colour.
        bits: how many bits of 16-bit files are in use: 12 if white is 4095, as from many cameras.
        upright: turn the image as its EXIF orientation tag says; papers' loaders ignore the tag.

    Raises:
        DataError: numbers are not finite or out of range, there are 16-bit colours and fewer
            `bits`, or PIL cannot convert the colours.
    """
    if upright and is_turned(image):
        image = image.transpose(TURNS[_orientation(image)])
    if image.mode != "F" and not image.mode.startswith("I"):
        if bits < BITS and image.info.get(DEEP):
            raise DataError(
                f"{name} has 16-bit colours, of which the upper 8 bits are read: with bits={bits} "
                "convert such files to 8 bits yourself"
            )
        try:
            return image.convert("L" if channels == 1 else "RGB")
        except ValueError as error:
            raise DataError(f"{name} is in colours of {image.mode}: convert them to RGB") from error
    # PIL's conversion would clip these to 255 instead of scaling them.
    white = 1 if image.mode == "F" else 2**bits - 1
    values = np.asarray(image, np.float32)
    if not np.isfinite(values).all():
        raise DataError(f"{name} holds NaN or infinity: {REMEDY}")
    low, high = values.min(), values.max()
    if low < 0 or high > white:
        raise DataError(
            f"{name} holds numbers in [{low:g}, {high:g}], expected [0, {white}]: scale them"
            + (f", or set bits={BITS}" if white > 1 and bits < BITS else "")
        )
    return Image.fromarray(values / np.float32(white))


def is_turned(image: Image.Image) -> bool:
    """Return True if the EXIF orientation tag asks to turn or mirror the image."""
    return _orientation(image) in TURNS


def _orientation(image: Image.Image) -> int | None:
    try:
        return image.getexif().get(ExifTags.Base.Orientation)
    except Exception:  # damage of the tags alone, which raises of whatever kind, harms no pixel
        return None


def brightest(image: Image.Image) -> int:
    """Compute the largest number of a 16-bit image; 0 for other images."""
    if image.mode.startswith("I"):
        return int(np.asarray(image).max())
    return (int(np.asarray(image).max()) << 8 | 255) if image.info.get(DEEP) else 0
