from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from maskaq.figures import pictures


def test_a_picture_holds_the_pixels_and_a_title(image, sound):
    figure = sound(pictures.picture(image, "A scene"), units=False)
    assert figure.layout.title.text == "A scene"
    data = base64.b64decode(figure.data[0].source.removeprefix("data:image/png;base64,"))
    np.testing.assert_array_equal(
        np.asarray(Image.open(io.BytesIO(data))), image.transpose(1, 2, 0)
    )
    assert figure.layout.yaxis.scaleanchor == "x"  # square pixels
    assert figure.layout.yaxis.autorange == "reversed"  # first row on top


def test_the_table_has_a_row_per_pixel(image):
    table = pictures.frame(image)
    assert len(table) == 64
    pixel = table[(table["row"] == 2) & (table["column"] == 5)].iloc[0]
    assert [pixel["red"], pixel["green"], pixel["blue"]] == image[:, 2, 5].tolist()


@pytest.mark.parametrize("colour, word", [((200, 20, 20), "red"), ((90, 91, 92), "grey")])
def test_the_description_tells_size_and_colour(colour, word):
    image = np.full((3, 16, 16), np.array(colour, np.uint8)[:, None, None])
    said = pictures.describe(pictures.frame(image))
    assert "16 x 16 pixels" in said
    assert said.endswith(f"{word}.")


@pytest.mark.parametrize("kind", ["gif", "webp"])
def test_an_animation_plays_all_frames_and_rests_on_the_last(kind):
    frames = [np.full((8, 12, 3), shade, np.uint8) for shade in (0, 120, 250)]
    film = Image.open(io.BytesIO(pictures.animation(frames, kind, 100)))
    assert film.format == kind.upper()
    assert film.n_frames == 3
    assert film.size == (12, 8)
    times, shades = [], []
    for number in range(3):
        film.seek(number)
        film.load()
        times.append(film.info["duration"])
        shades.append(int(np.asarray(film.convert("RGB")).mean()))
    assert times == [100, 100, 400]
    assert shades == pytest.approx([0, 120, 250], abs=6)
    assert film.info["loop"] == 0


def test_no_frame_is_refused():
    with pytest.raises(ValueError, match="at least one frame"):
        pictures.animation([], "gif")
