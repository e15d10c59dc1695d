"""Small pictures on disk, for tests of image folders."""

from pathlib import Path

from PIL import Image

CONFIG = {
    "input_size": (3, 8, 8),
    "interpolation": "bicubic",
    "crop_pct": 1.0,
    "crop_mode": "center",
}


def write(path: Path, grey: int = 0) -> Path:
    """A picture of one grey, in the format of the ending, with its folders."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (10, 10), (grey, grey, grey)).save(path)
    return path
