import numpy as np
import pytest

from maskaq.data.sheet import sheet


@pytest.mark.parametrize(
    "n, rows, columns",
    [(1, 1, 1), (2, 1, 2), (4, 2, 2), (6, 2, 3), (7, 3, 3), (16, 4, 4), (32, 4, 8)],
)
def test_images_fill_a_grid_row_by_row(n, rows, columns):
    images = np.random.default_rng(0).integers(0, 255, (n, 3, 8, 8), dtype=np.uint8)
    found = np.asarray(sheet(images))
    assert found.shape == (rows * 10 - 2, columns * 10 - 2, 3)
    for number in range(rows * columns):
        top, left = 10 * (number // columns), 10 * (number % columns)
        tile = found[top : top + 8, left : left + 8]
        expected = images[number].transpose(1, 2, 0) if number < n else np.full((8, 8, 3), 255)
        np.testing.assert_array_equal(tile, expected)
