import struct
import zlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from maskaq.data import upload
from maskaq.data.upload import read_picture
from maskaq.errors import DataError

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)


def encode(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    stream = BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header claims a huge picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        content = kind + data
        return struct.pack(">I", len(data)) + content + struct.pack(">I", zlib.crc32(content))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(b"")), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_allowed_formats_are_decoded(kind):
    picture = read_picture(f"garden.{kind.lower()}", encode(Image.fromarray(PIXELS), kind))
    assert picture.name == f"garden.{kind.lower()}"
    assert picture.pixels.shape == (40, 60, 3)
    assert picture.pixels.dtype == np.uint8
    if kind == "PNG":
        assert np.array_equal(picture.pixels, PIXELS)


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1", "CMYK"])
def test_other_colour_modes_become_rgb(mode):
    image = Image.fromarray(PIXELS).convert(mode)
    picture = read_picture("a", encode(image, "JPEG" if mode == "CMYK" else "PNG"))
    assert picture.pixels.shape == (40, 60, 3)


def test_16_bit_greys_and_transparent_parts_are_kept_and_named():
    deep = Image.fromarray(np.full((40, 60), 0x4040, np.uint16))
    picture = read_picture("a.png", encode(deep))
    assert (picture.pixels == 0x40).all()
    assert picture.notes == ("1 image with 16-bit greys, divided by 257",)
    clear = read_picture("a.png", encode(Image.new("RGBA", (40, 60))))
    assert (clear.pixels == 255).all()
    assert clear.notes == ("1 image with transparent parts, which are shown on white",)
    assert read_picture("a.png", GOOD).notes == ()


def test_a_picture_is_rotated_by_its_exif_orientation():
    exif = Image.Exif()
    exif[0x0112] = 6  # rotated by 90 degrees
    data = encode(Image.fromarray(PIXELS), "JPEG", exif=exif)
    assert read_picture("a.jpg", data).pixels.shape == (60, 40, 3)


def test_a_large_picture_is_reduced():
    data = encode(Image.new("RGB", (3000, 1500)), "JPEG")
    assert read_picture("a.jpg", data).pixels.shape == (512, 1024, 3)


def test_pixels_cannot_be_changed():
    picture = read_picture("a.png", encode(Image.fromarray(PIXELS)))
    with pytest.raises(ValueError, match="read-only"):
        picture.pixels[0, 0] = 0


FRAMES = [Image.new("RGB", (32, 32), colour) for colour in ("red", "blue")]
GOOD = encode(Image.fromarray(PIXELS))


@pytest.mark.parametrize(
    "data, reason",
    [
        (b"", "is empty"),
        (b"\0" * (upload.MEGABYTES * 2**20 + 1), "has 4.0 MB"),
        (b"not a picture", "cannot be opened"),
        (b"%PDF-1.7 " + b"x" * 100, "cannot be opened"),
        (encode(Image.fromarray(PIXELS), "GIF"), "cannot be opened"),
        (encode(Image.fromarray(PIXELS), "BMP"), "cannot be opened"),
        (GOOD[:20], "cannot be opened"),
        (GOOD[:-2000], "is damaged"),
        (bomb(100_000, 100_000), "has 100000 x 100000 pixels|cannot be opened"),
        (bomb(5_000, 4_000), "has 5000 x 4000 pixels"),
        (bomb(100, 100), "is damaged"),
        (encode(Image.new("RGB", (7, 100))), "has 7 x 100 pixels"),
        (encode(FRAMES[0], "WEBP", save_all=True, append_images=FRAMES[1:]), "is animated"),
        (encode(FRAMES[0], "PNG", save_all=True, append_images=FRAMES[1:]), "is animated"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_other_files_are_refused_with_what_is_allowed(data, reason):
    with pytest.raises(DataError, match=reason) as refused:
        read_picture("some.png", data)
    assert str(refused.value).startswith("some.png ")
    assert "Allowed: one still picture as PNG, JPEG or WebP, up to 4 MB" in str(refused.value)


def test_a_huge_picture_is_refused_before_it_is_decoded(monkeypatch):
    monkeypatch.setattr(Image.Image, "convert", lambda *_: pytest.fail("the picture was decoded"))
    with pytest.raises(DataError):
        read_picture("a.png", bomb(9_000, 9_000))


@pytest.mark.parametrize("name", ["../../etc/passwd.png", "C:\\me\\passwd.png", "passwd.png"])
def test_the_name_is_the_last_part_of_the_path(name):
    assert read_picture(name, GOOD).name == "passwd.png"
    assert len(read_picture("x" * 500, GOOD).name) == 80
