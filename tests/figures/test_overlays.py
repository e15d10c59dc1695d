import numpy as np
import pytest

from maskaq.figures import overlays

NAMES = ("cat", "dog", "background")
GREY = np.full((3, 64, 64), 100, np.uint8)


def test_regions_get_a_colour_and_the_ground_stays() -> None:
    classes = np.full((64, 64), 2, np.uint8)
    classes[:, 32:] = 0
    picture = overlays.with_regions(GREY, classes, NAMES, ground=2)
    assert picture.shape == (3, 256, 256)
    assert (picture[:, 5, 5] == 100).all()
    assert not (picture[:, 5, 250] == 100).all()
    other = overlays.with_regions(GREY, 1 - classes // 2 * 1, NAMES, ground=2)
    assert not np.array_equal(picture, other)


def test_pixels_without_truth_stay_without_colour() -> None:
    classes = np.full((64, 64), 255, np.uint8)
    assert (overlays.with_regions(GREY, classes, NAMES, ground=2) == 100).all()


def test_boxes_are_drawn_where_they_are_and_absent_ones_are_not() -> None:
    none = np.array([[-1, 0, 0, 0, 1, 1]], np.float32)
    assert (overlays.with_boxes(GREY, none, NAMES) == 100).all()
    one = np.array([[1, 0.8, 0.5, 0.5, 0.9, 0.9]], np.float32)
    picture = overlays.with_boxes(GREY, one, NAMES)
    changed = np.argwhere((picture != 100).any(0))
    assert changed.min() >= 0.5 * 255 - 4
    assert changed.max() <= 0.9 * 255 + 4


def test_boxes_beyond_the_picture_are_cut() -> None:
    wide = np.array([[0, 1, -0.5, -2, 3, 1.5]], np.float32)
    assert overlays.with_boxes(GREY, wide, NAMES).shape == (3, 256, 256)


@pytest.mark.parametrize(
    "target, words",
    [
        (np.where(np.arange(64) < 20, 1, 2).repeat(64).reshape(64, 64), "dog"),
        (np.full((64, 64), 2), "nothing"),
        (np.array([[0, 0.1, 0.1, 0.5, 0.5], [-1, 0, 0, 0, 0]], np.float32), "cat"),
        (np.array([[-1, 0, 0, 0, 0]], np.float32), "nothing"),
    ],
    ids=["map", "ground", "box", "no box"],
)
def test_a_target_is_put_into_words(target, words: str) -> None:
    assert overlays.of_target(GREY, target, NAMES).words == words


def test_the_image_is_not_changed() -> None:
    image = GREY.copy()
    overlays.with_regions(image, np.zeros((64, 64), np.uint8), NAMES, ground=2)
    overlays.with_boxes(image, np.array([[0, 1, 0, 0, 1, 1]], np.float32), NAMES)
    assert np.array_equal(image, GREY)
