"""Single image files: damaged, disguised, huge, turned, and of more bits than eight."""

import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageOps

from data.files.errors import DataError
from data.images.reading import EXTENSIONS, brightest, is_turned, open_image, read_image


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_image_with_nan_is_refused_by_name(tmp_path, value):
    pixels = np.zeros((4, 4), np.float32)
    pixels[2, 1] = value
    Image.fromarray(pixels).save(tmp_path / "bad.tiff")
    with pytest.raises(DataError, match=r"bad\.tiff holds NaN or infinity"):
        read_image(tmp_path / "bad.tiff")


def test_float_images_out_of_range_are_refused(tmp_path):
    Image.fromarray(np.full((2, 2), 7.5, np.float32)).save(tmp_path / "loud.tiff")
    with pytest.raises(DataError, match=r"loud\.tiff holds numbers in \[7\.5, 7\.5\]"):
        read_image(tmp_path / "loud.tiff")


@pytest.mark.parametrize("kind", ["jpg", "png", "webp"])
def test_a_truncated_file_is_refused_by_name(tmp_path, picture, kind):
    path = picture(tmp_path / f"cut.{kind}", (64, 64))
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(DataError, match=rf"cut\.{kind} is not a sound image"):
        read_image(path)


def test_a_file_that_is_not_an_image_is_refused_by_name(tmp_path):
    (tmp_path / "page.jpg").write_text("<html>not found</html>")
    with pytest.raises(DataError, match=r"page\.jpg is not a sound image"):
        read_image(tmp_path / "page.jpg")


@pytest.mark.parametrize("end", [*EXTENSIONS, *map(str.upper, EXTENSIONS)])
def test_every_extension_that_counts_is_read(tmp_path, end):
    kinds = {".jfif": "jpeg", ".jpg": "jpeg", ".tif": "tiff"}
    colours = Image.new("RGB", (5, 4), (200, 20, 20))
    colours.save(tmp_path / f"a{end}", kinds.get(end.lower(), end.lower()[1:]))
    image = read_image(tmp_path / f"a{end}")
    assert (image.size, image.mode) == ((5, 4), "RGB")
    assert np.abs(np.asarray(image, int) - [200, 20, 20]).max() < 8


def test_the_first_picture_of_an_animation_is_read(tmp_path):
    first, second = Image.new("RGB", (4, 4), "red"), Image.new("RGB", (4, 4), "blue")
    first.save(tmp_path / "a.gif", save_all=True, append_images=[second])
    assert read_image(tmp_path / "a.gif").getpixel((0, 0)) == (255, 0, 0)


@pytest.mark.parametrize(("kind", "name"), [("eps", "a.png"), ("avif", "b.jpg"), ("ppm", "c.png")])
def test_a_file_of_another_format_is_refused_whatever_its_name(tmp_path, kind, name):
    Image.new("RGB", (64, 64)).save(tmp_path / name, kind)
    with pytest.raises(DataError, match=rf"{name} is not a sound image of JPEG, PNG, .*TIFF"):
        read_image(tmp_path / name)


def png(width: int, height: int, pixels: bytes, depth: int = 8, colour: int = 0) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + check

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(("width", "height"), [(80_000_000, 1), (1, 2001), (20_000, 20_000)])
def test_images_that_would_fill_the_memory_are_refused_unread(tmp_path, width, height):
    (tmp_path / "bomb.png").write_bytes(png(width, height, b""))
    with pytest.raises(DataError, match=r"bomb\.png is .*\d{4}"):
        read_image(tmp_path / "bomb.png")


def test_twelve_bits_in_sixteen_are_scaled_to_white_where_that_is_said(tmp_path):
    levels = np.array([[0, 2047], [4095, 1000]], np.uint16)
    Image.fromarray(levels).save(tmp_path / "deep.png")
    image = read_image(tmp_path / "deep.png", bits=12)
    np.testing.assert_allclose(np.asarray(image), levels / 4095, rtol=1e-6)
    assert brightest(open_image(tmp_path / "deep.png")) == 4095


def test_numbers_beyond_the_bits_in_use_are_refused(tmp_path):
    Image.fromarray(np.full((2, 2), 5000, np.uint16)).save(tmp_path / "deep.png")
    message = r"numbers in \[5000, 5000\], expected \[0, 4095\]: scale them, or set bits=16"
    with pytest.raises(DataError, match=message):
        read_image(tmp_path / "deep.png", bits=12)


def test_colours_of_twelve_bits_in_sixteen_are_refused_for_they_would_be_black(tmp_path):
    row = b"\0" + np.full((2, 3), 4095, ">u2").tobytes()
    (tmp_path / "deep.png").write_bytes(png(2, 1, row, depth=16, colour=2))
    assert brightest(open_image(tmp_path / "deep.png")) == 4095
    assert np.asarray(read_image(tmp_path / "deep.png")).max() == 15
    with pytest.raises(DataError, match=r"16-bit colours, .*: with bits=12 convert"):
        read_image(tmp_path / "deep.png", bits=12)


def test_the_orientation_tag_is_applied_where_that_is_said(tmp_path):
    image = Image.new("RGB", (6, 4))
    exif = image.getexif()
    exif[0x0112] = 6  # the camera was held upright
    image.save(tmp_path / "turned.jpg", exif=exif)
    assert read_image(tmp_path / "turned.jpg").size == (6, 4)
    assert read_image(tmp_path / "turned.jpg", upright=True).size == (4, 6)
    assert is_turned(open_image(tmp_path / "turned.jpg"))
    image.save(tmp_path / "plain.jpg")
    assert not is_turned(open_image(tmp_path / "plain.jpg"))


@pytest.mark.parametrize("orientation", range(10))
def test_all_orientations_are_turned_as_pillow_turns_them(tmp_path, orientation):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8))
    exif = image.getexif()
    exif[0x0112] = orientation
    image.save(tmp_path / "turned.png", exif=exif)
    with Image.open(tmp_path / "turned.png") as opened:
        expected = np.asarray(ImageOps.exif_transpose(opened))
    assert np.array_equal(np.asarray(read_image(tmp_path / "turned.png", upright=True)), expected)


def test_damaged_tags_of_a_sound_image_are_none(tmp_path):
    Image.new("RGB", (6, 4)).save(tmp_path / "a.webp", exif=b"Exif\0\0MM\x1f*")
    assert read_image(tmp_path / "a.webp", upright=True).size == (6, 4)
    assert not is_turned(open_image(tmp_path / "a.webp"))


def test_colours_that_cannot_be_converted_are_refused_by_name(tmp_path):
    Image.new("LAB", (4, 4)).save(tmp_path / "lab.tiff")
    with pytest.raises(DataError, match=r"lab\.tiff is in colours of LAB: convert them to RGB"):
        read_image(tmp_path / "lab.tiff", channels=1)


def test_content_without_a_name_of_its_own_is_called_by_the_name_given():
    with pytest.raises(DataError, match=r"^a\.tar/3\.jpg is not a sound image of .* \(of none\)"):
        open_image(BytesIO(b"nothing"), "a.tar/3.jpg")
