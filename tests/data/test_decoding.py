"""Pictures of every mode and format: their colours are kept, or they are refused by name."""

import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from maskaq.data import decoding
from maskaq.data.decoding import decode, endings, formats, is_picture, upright_rgb, without_warnings
from maskaq.errors import DataError

SIDE = 16  # the smallest picture in an ICO file
ENDING_OF = {kind: ending for ending, kind in endings().items()}
# Colours far from each other, so that a lossy format or a palette does not hide a wrong decision.
COLOURS = {"red": (255, 0, 0), "blue": (0, 0, 255), "white": (255, 255, 255), "black": (0, 0, 0)}
GREYS = ("L", "1", "LA", "I", "F", "I;16", "I;16B", "La")
COLOURED = ("RGB", "RGBA", "P", "PA", "CMYK", "YCbCr", "LAB", "HSV", "RGBX", "RGBa")


def saved(picture: Image.Image, kind: str = "PNG", **options: object) -> BytesIO:
    stream = BytesIO()
    picture.save(stream, kind, **options)
    stream.seek(0)
    return stream


def mean(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture).reshape(-1, 3).mean(0)  # [3]


def deep(values: np.ndarray, mode: str) -> Image.Image:
    kinds = {"I;16": "<u2", "I;16B": ">u2", "I": "<i4", "F": "<f4"}
    data = values.astype(kinds[mode])
    return Image.frombytes(mode, data.shape[::-1], data.tobytes())


@pytest.mark.parametrize("mode", COLOURED)
@pytest.mark.parametrize("colour", COLOURS)
def test_every_mode_keeps_its_colour(mode: str, colour: str) -> None:
    plain = Image.new("RGB", (SIDE, SIDE), COLOURS[colour])
    through = {"PA": "P", "RGBa": "RGBA"}.get(mode)
    picture = (plain.convert(through) if through else plain).convert(mode)
    decoded, _ = upright_rgb(picture)
    assert decoded.mode == "RGB"
    out_of_gamut = mode == "LAB" and colour == "blue"
    np.testing.assert_allclose(mean(decoded), COLOURS[colour], atol=70 if out_of_gamut else 6)


@given(st.integers(0, 255), st.sampled_from(GREYS))
def test_every_mode_keeps_its_grey(grey: int, mode: str) -> None:
    value = 255 * (grey > 127) if mode == "1" else grey
    factor = 257 if mode.startswith("I;16") else 1
    if mode in ("I;16", "I;16B", "I", "F"):
        picture = deep(np.full((SIDE, SIDE), value * factor), mode)
        if mode == "F" and value <= 1:  # from 0 to 1
            value *= 255
    elif mode == "La":
        picture = Image.frombytes(mode, (SIDE, SIDE), bytes([value, 255]) * SIDE**2)
    else:
        picture = Image.new("L", (SIDE, SIDE), value).convert(mode)
    assert mean(upright_rgb(picture).picture).tolist() == [value] * 3


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM"])
def test_16_bit_greys_are_scaled_not_clipped(kind: str) -> None:
    ramp = np.linspace(0, 65535, SIDE * SIDE).reshape(SIDE, SIDE)
    decoded, facts = decode(saved(deep(ramp, "I;16"), kind))
    np.testing.assert_allclose(np.asarray(decoded)[..., 0], ramp / 257, atol=1)
    assert facts == ("deep",)


def test_dim_16_bit_greys_are_named() -> None:
    decoded, facts = decode(saved(deep(np.full((SIDE, SIDE), 4000), "I;16")))
    assert mean(decoded).tolist() == [16] * 3
    assert facts == ("dim",)
    assert decode(saved(deep(np.zeros((SIDE, SIDE)), "I;16"))).facts == ("deep",)


@pytest.mark.parametrize(
    "mode, largest, fact",
    [
        ("F", 1, "one"),
        ("F", 255, "byte"),
        ("F", 65535, "word"),
        ("I", 255, "byte"),
        ("I", 65535, "word"),
    ],
)
def test_32_bit_greys_are_scaled_by_their_range(mode: str, largest: int, fact: str) -> None:
    ramp = np.linspace(0, largest, SIDE * SIDE).reshape(SIDE, SIDE)
    decoded, facts = decode(saved(deep(ramp, mode), "TIFF"))
    np.testing.assert_allclose(np.asarray(decoded)[..., 0], ramp * 255 / largest, atol=1)
    assert facts == (fact,)


@pytest.mark.parametrize("values", [(-1, 5), (0, 70000), (0, np.nan), (0, np.inf)])
def test_32_bit_greys_of_another_range_are_refused(values: tuple[float, float]) -> None:
    with pytest.raises(DataError, match=r"its greys have 32 bits and go from .* 8 or 16 bits"):
        decode(saved(deep(np.array([values]), "F"), "TIFF"))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "L", "RGB", "1", "I;16"])
def test_transparent_parts_become_white(mode: str) -> None:
    if mode in ("RGBA", "LA"):
        stream = saved(Image.new("RGBA", (SIDE, SIDE), (0, 0, 0, 0)).convert(mode))
    else:
        black = Image.new(mode, (SIDE, SIDE))
        stream = saved(black, transparency=(0, 0, 0) if mode == "RGB" else 0)
    decoded, facts = decode(stream)
    assert mean(decoded).tolist() == [255] * 3
    assert "transparent" in facts


def test_opaque_alpha_changes_nothing() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    picture = Image.fromarray(pixels)
    decoded, facts = upright_rgb(picture.convert("RGBA"))
    assert (np.asarray(decoded) == pixels).all()
    assert facts == ()


def test_half_transparent_parts_are_mixed_with_white() -> None:
    decoded, _ = upright_rgb(Image.new("RGBA", (SIDE, SIDE), (255, 0, 0, 128)))
    np.testing.assert_allclose(mean(decoded), (255, 127, 127), atol=1)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_upright(kind: str, orientation: int) -> None:
    """The red corner is at the top left of the upright picture, which is wider than high."""
    upright = Image.new("RGB", (48, 32), "white")
    upright.paste("red", (0, 0, 16, 16))
    method = {  # the inverse of what the orientation asks for
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }.get(orientation)
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = upright if method is None else upright.transpose(method)
    decoded, facts = decode(saved(turned, kind, exif=exif))
    assert decoded.size == (48, 32)
    red, green, _ = decoded.getpixel((5, 5))
    assert red > 200 > 60 > green
    assert decoded.getpixel((40, 25))[1] > 200
    assert kind == "TIFF" or facts == (() if method is None else ("turned",))


@settings(deadline=None)
@given(st.binary(max_size=400), st.sampled_from([".png", ".jpg", ".bmp", ".tif"]))
def test_other_bytes_are_never_a_picture(tmp_path_factory, data: bytes, ending: str) -> None:
    path = tmp_path_factory.mktemp("bytes") / f"a{ending}"
    path.write_bytes(b"x" + data)
    with pytest.raises(OSError, match="cannot identify"), without_warnings():
        decode(path)


@pytest.mark.parametrize(
    "damage", [b"MM\0*\0\0\0\x08\xff", b"no TIFF", b"", b"II*\0\xff\xff\xff\xff"]
)
def test_damaged_exif_data_are_ignored(damage: bytes) -> None:
    picture = Image.new("RGB", (SIDE, SIDE), "red")
    stream = saved(picture, "JPEG", exif=b"Exif\0\0" + damage)
    with without_warnings():
        assert decode(stream).picture.size == (SIDE, SIDE)


def test_the_first_frame_is_used() -> None:
    frames = [Image.new("RGB", (SIDE, SIDE), colour) for colour in COLOURS]
    for kind in ("GIF", "TIFF", "PNG", "WEBP"):
        stream = saved(frames[0], kind, save_all=True, append_images=frames[1:])
        decoded, facts = decode(stream)
        np.testing.assert_allclose(mean(decoded), COLOURS["red"], atol=6)
        assert facts == ("frames",), kind


def test_damage_after_the_first_frame_does_not_matter() -> None:
    whole = saved(Image.new("RGB", (SIDE, SIDE), "red"), "GIF").getvalue()
    decoded, facts = decode(BytesIO(whole.removesuffix(b";") + b",\0\0"))
    np.testing.assert_allclose(mean(decoded), COLOURS["red"])
    assert facts == ()


def test_a_psd_file_is_read_with_all_its_layers() -> None:
    header = b"8BPS" + struct.pack(">H6xHIIHH", 1, 3, SIDE, SIDE, 8, 3)
    channels = b"".join(bytes([value]) * SIDE**2 for value in COLOURS["blue"])
    decoded, facts = decode(BytesIO(header + bytes(4 * 3) + bytes(2) + channels))
    assert mean(decoded).tolist() == list(COLOURS["blue"])
    assert facts == ()


def test_cmyk_is_named() -> None:
    decoded, facts = decode(saved(Image.new("CMYK", (SIDE, SIDE), (0, 255, 255, 0)), "JPEG"))
    np.testing.assert_allclose(mean(decoded), COLOURS["red"], atol=6)
    assert facts == ("cmyk",)


def made(mode: str, colour: str) -> Image.Image:
    """A picture of one colour; of 16-bit greys, a grey of this brightness."""
    plain = Image.new("RGB", (SIDE, SIDE), COLOURS[colour])
    if mode != "I;16":
        return plain.convert(mode)
    return deep(257 * np.asarray(plain.convert("L"), np.uint16), mode)


@settings(deadline=None, max_examples=200)
@given(
    # SPIDER has greys only, and IM is deprecated.
    st.sampled_from(sorted(set(formats()) & set(Image.SAVE) - {"SPIDER", "IM"})),
    st.sampled_from(["RGB", "P", "L", "1", "RGBA", "LA", "CMYK", "YCbCr", "LAB", "I;16"]),
    st.sampled_from(["red", "white", "black"]),
)
def test_every_mode_of_every_format_keeps_its_colour(
    tmp_path_factory, kind: str, mode: str, colour: str
) -> None:
    if mode == "I;16" and kind not in ("PNG", "PPM", "TIFF"):
        return  # all others save 8 bits, which Pillow clips
    try:
        data = saved(made(mode, colour), kind).getvalue()
        if Image.OPEN[kind][1] is not None:
            Image.open(BytesIO(data)).load()  # older versions of Pillow write broken files of some
    except (OSError, ValueError, KeyError):  # the format does not have this mode
        return
    source: Path | BytesIO = BytesIO(data)
    if Image.OPEN[kind][1] is None:  # no signature: only the ending tells the format
        source = tmp_path_factory.mktemp("a") / f"a{ENDING_OF[kind]}"
        source.write_bytes(data)
    wanted = made("L" if mode == "I;16" else mode, colour).convert("RGB")
    np.testing.assert_allclose(mean(decode(source).picture), mean(wanted), atol=8)


def test_formats_that_start_other_programs_or_are_no_pictures_are_left_out() -> None:
    assert {"PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", "PPM"} <= set(formats())
    assert not {"EPS", "MPEG", "HDF5", "GRIB", "WMF"} & set(formats())
    assert {".png", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif"} <= set(endings())
    assert not {".eps", ".ps", ".mpg", ".h5", ".txt", ".pdf"} & set(endings())
    with pytest.raises(OSError, match="cannot identify"):
        decode(saved(Image.new("RGB", (SIDE, SIDE)), "EPS"))


def test_a_picture_is_recognised_by_its_content(tmp_path) -> None:
    path = tmp_path / "no_ending"
    for kind in ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF"):
        path.write_bytes(saved(Image.new("RGB", (SIDE, SIDE)), kind).getvalue())
        assert is_picture(path), kind
    for other in (b"", b"BMW is a car", b"P5 is a number", b"<svg/>", b"\0" * 100, b"%!PS-Adobe"):
        path.write_bytes(other)
        assert not is_picture(path), other


def test_a_bomb_is_refused_by_its_size(monkeypatch) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        content = kind + data
        return struct.pack(">I", len(data)) + content + struct.pack(">I", zlib.crc32(content))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 9000, 9000, 8, 2, 0, 0, 0))
    bomb = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    monkeypatch.setattr(decoding, "MOST_PIXELS", 80_000_000)
    monkeypatch.setattr(Image.Image, "load", lambda *_: pytest.fail("the picture was decoded"))
    with pytest.raises(DataError, match=r"it has 9000 x 9000 pixels, allowed are 80,000,000"):
        decode(BytesIO(bomb))
