import base64
import io

import numpy as np
import pytest
from PIL import Image

from maskaq.figures import pictures


def test_a_picture_holds_the_pixels_and_a_title(image, sound):
    chart = pictures.picture(image, "A scene", alt="A scene.", name="scene")
    figure = sound(chart, units=False)
    assert figure.layout.title.text == "A scene"
    assert len(chart.table) == 64
    data = base64.b64decode(figure.data[0].source.removeprefix("data:image/png;base64,"))
    np.testing.assert_array_equal(
        np.asarray(Image.open(io.BytesIO(data))), image.transpose(1, 2, 0)
    )
    assert figure.layout.yaxis.scaleanchor == "x"  # square pixels
    assert figure.layout.yaxis.autorange == "reversed"  # row 0 at the top


def test_the_table_has_a_row_per_pixel(image):
    table = pictures.frame(image)
    assert len(table) == 64
    pixel = table[(table["row"] == 2) & (table["column"] == 5)].iloc[0]
    assert [pixel["red"], pixel["green"], pixel["blue"]] == image[:, 2, 5].tolist()


@pytest.mark.parametrize("kind", ["gif", "webp"])
def test_an_animation_plays_all_frames_and_shows_the_last_one_longer(kind):
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


def test_an_animation_without_frames_is_refused():
    with pytest.raises(ValueError, match="at least one frame"):
        pictures.animation([], "gif")
