"""IDX files: intact ones are read, others refused with what was expected."""

import gzip
import struct
from pathlib import Path

import pytest
import torch

from maskaq.data import fashion_mnist
from maskaq.data.fashion_mnist import CLASS_NAMES, garments, read_idx
from maskaq.errors import DataError

SHAPE = (3, 2, 2)
MAGIC = struct.pack(">4B3I", 0, 0, 8, 3, *SHAPE)
PIXELS = bytes(range(100, 112))


def test_an_intact_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "x.gz").write_bytes(gzip.compress(MAGIC + PIXELS))
    read = read_idx(tmp_path / "x.gz", SHAPE)
    assert read.dtype == torch.uint8
    assert read.tolist() == [
        [[100, 101], [102, 103]],
        [[104, 105], [106, 107]],
        [[108, 109], [110, 111]],
    ]


@pytest.mark.parametrize(
    "content, message",
    [
        (MAGIC + PIXELS[:-1], r"contains 11 bytes of data; expected 12 for \(3, 2, 2\)"),
        (MAGIC + PIXELS + b"x", r"contains 13 bytes of data; expected 12 for \(3, 2, 2\)"),
        (MAGIC, r"contains 0 bytes of data; expected 12 for \(3, 2, 2\)"),
        (MAGIC[:7], r"expected \(0, 0, 8, 3, 3, 2, 2\).*the dimensions \(3, 2, 2\)"),
        (b"", r"starts with \(\); expected .*the dimensions \(3, 2, 2\)"),
        (
            struct.pack(">4B3I", 0, 0, 8, 3, 2, 3, 2) + PIXELS,
            r"starts with \(0, 0, 8, 3, 2, 3, 2\).*the dimensions \(3, 2, 2\)",
        ),
        (struct.pack(">4B3I", 0, 0, 13, 3, *SHAPE) + PIXELS, r"magic for unsigned bytes"),
    ],
)
def test_wrong_content_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "x.gz").write_bytes(gzip.compress(content))
    with pytest.raises(DataError, match=message) as caught:
        read_idx(tmp_path / "x.gz", SHAPE)
    assert "x.gz" in str(caught.value)
    assert "Download it again" in str(caught.value)


@pytest.mark.parametrize("damage", ["not gzip", "truncated", "flipped"])
def test_a_damaged_archive_is_refused(tmp_path: Path, damage: str) -> None:
    raw = bytearray(gzip.compress(MAGIC + PIXELS))
    if damage == "flipped":
        raw[-6] ^= 1
    raw = {"not gzip": bytearray(MAGIC + PIXELS), "truncated": raw[:-9]}.get(damage, raw)
    (tmp_path / "x.gz").write_bytes(raw)
    with pytest.raises(DataError, match=r"x\.gz is not a complete gzip file .*; download it again"):
        read_idx(tmp_path / "x.gz", SHAPE)


def test_a_decompression_bomb_is_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fashion_mnist, "_LARGEST", 100)
    (tmp_path / "x.gz").write_bytes(gzip.compress(MAGIC + bytes(10_000_000)))
    with pytest.raises(DataError, match="contains 85 bytes of data; expected 12"):  # 101 - header
        read_idx(tmp_path / "x.gz", SHAPE)


def test_the_message_for_a_missing_file_says_where_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"does not exist.*dataset-fashion-mnist.*--fashion-mnist DIR"
    ):
        garments("train", tmp_path)


def test_the_bundled_garments_are_complete() -> None:
    images, labels = garments("test")
    assert images.shape == (10_000, 28, 28)
    assert images.dtype == torch.uint8
    assert labels.bincount().tolist() == [1000] * len(CLASS_NAMES)
    assert 0.2 < images.float().mean() / 255 < 0.4


def test_a_label_above_nine_is_refused(tmp_path: Path) -> None:
    for name in ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"):
        (tmp_path / name).write_bytes((fashion_mnist.BUNDLED / name).read_bytes())
    labels = bytearray(gzip.decompress((tmp_path / name).read_bytes()))
    labels[-1] = 10
    (tmp_path / name).write_bytes(gzip.compress(labels, 1))
    with pytest.raises(DataError, match="has a label 10; labels must be 0 to 9"):
        garments("test", tmp_path)
