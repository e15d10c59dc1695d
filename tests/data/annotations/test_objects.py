"""Boxes in COCO's format: exact truth of whole images, and what is refused."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from maskaq.data.annotations import load_annotated
from maskaq.data.annotations.objects import ABSENT
from maskaq.data.folder import Images
from maskaq.errors import DataError
from maskaq.tasks import detection

CONFIG = {
    "input_size": (3, 8, 8),
    "interpolation": "bilinear",
    "crop_pct": 0.5,
    "crop_mode": "center",
}
NAMES = ("person", "cat", "dog")
Content = dict[str, Any]


def content() -> Content:
    """Image 7, b.jpg, with two objects and a group; image 8, a.jpg, with one; 9, c.jpg, none."""
    return {
        "info": {"year": 2017},
        "images": [
            {"id": 7, "file_name": "b.jpg", "width": 40, "height": 20},
            {"id": 8, "file_name": "a.jpg", "width": 20, "height": 20},
            {"id": 9, "file_name": "c.jpg"},
        ],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 30, "bbox": [10, 5, 20, 10], "iscrowd": 0},
            {"id": 2, "image_id": 7, "category_id": 10, "bbox": [0, 0, 40, 20], "iscrowd": 1},
            {"id": 3, "image_id": 8, "category_id": 20, "bbox": [0.0, 5.0, 10.0, 15.0]},
            {"id": 4, "image_id": 7, "category_id": 10, "bbox": [0, 0, 1, 1], "segmentation": []},
        ],
        "categories": [
            {"id": 30, "name": "Dog"},
            {"id": 10, "name": "person"},
            {"id": 20, "name": "CAT"},
        ],
    }


def write(place: Path, data: object, folder: str = "val2017") -> Path:
    """COCO's layout with three images."""
    images = place / folder
    images.mkdir(parents=True, exist_ok=True)
    for name, size in {"b": (40, 20), "a": (20, 20), "c": (10, 30)}.items():
        red = 60 * (ord(name) - ord("a"))
        Image.new("RGB", size, (red, 0, 0)).save(images / f"{name}.jpg")
    (place / "annotations").mkdir(exist_ok=True)
    file = place / "annotations" / "instances_val2017.json"
    file.write_text(json.dumps(data))
    return place


def load(
    place: Path, names: tuple[str, ...] = NAMES, config: dict[str, Any] = CONFIG, **options: object
) -> Images:
    return load_annotated("detection", place, config, names, **options)


GROUPS = (
    "left out 1 annotation of groups (iscrowd); COCO ignores detections there, but here they count "
    "as wrong"
)


@pytest.mark.parametrize("sides", [(8, 8), (16, 12)])
def test_boxes_are_shares_of_whole_images(tmp_path: Path, sides: tuple[int, int]) -> None:
    found = load(write(tmp_path, content()), config={**CONFIG, "input_size": (3, *sides)})
    assert (found.images.shape, found.images.dtype) == ((3, 3, *sides), torch.uint8)
    assert found.images[:, 0].float().mean((1, 2)).diff().min() > 0  # redder by name
    assert [path.name for path in found.paths] == ["a.jpg", "b.jpg", "c.jpg"]
    assert found.labels.dtype == torch.float32
    expected = [
        [[1, 0, 0.25, 0.5, 1], [ABSENT, 0, 0, 0, 0]],
        [[2, 0.25, 0.25, 0.75, 0.75], [0, 0, 0, 0.025, 0.05]],
        [[ABSENT, 0, 0, 0, 0]] * 2,
    ]
    torch.testing.assert_close(found.labels, torch.tensor(expected, dtype=torch.float32))
    assert found.notes == ("objects are from annotations/instances_val2017.json", GROUPS)


def test_an_absent_object_is_that_of_the_task() -> None:
    assert ABSENT == detection.ABSENT


def test_an_object_covers_the_same_part_of_the_resized_image(tmp_path: Path) -> None:
    data = content()
    data["annotations"] = [{"image_id": 7, "category_id": 30, "bbox": [10, 0, 10, 20]}]
    write(tmp_path, data)
    picture = Image.new("RGB", (40, 20))
    picture.paste((255, 255, 255), (10, 0, 20, 20))
    picture.save(tmp_path / "val2017" / "b.png")
    (tmp_path / "val2017" / "b.png").rename(tmp_path / "val2017" / "b.jpg")
    found = load(tmp_path)
    _, left, top, right, bottom = (found.labels[1, 0] * 8).tolist()
    inside = found.images[1, 0, int(top) : int(bottom), int(left) : int(right)]
    assert inside.shape == (8, 2)
    assert inside.min() > 200
    assert found.images[1, 0, :, int(right) + 1 :].max() == 0


def test_a_limit_selects_images_with_their_objects(tmp_path: Path) -> None:
    place = write(tmp_path, content())
    whole = load(place)
    seen = set()
    for seed in range(8):
        some = load(place, limit=1, seed=seed)
        assert load(place, limit=2, seed=seed).paths[:1] == some.paths
        position = whole.paths.index(some.paths[0])
        own = whole.labels[position]
        present = max(1, int((own[:, 0] != ABSENT).sum()))
        assert torch.equal(some.labels[0], own[:present])
        assert torch.equal(some.images[0], whole.images[position])
        none = "the images that were read have no objects" in some.notes
        assert none == (some.paths[0].name == "c.jpg")
        seen.add(some.paths[0].name)
    assert seen == {"a.jpg", "b.jpg", "c.jpg"}


def test_the_order_of_the_file_does_not_matter(tmp_path: Path) -> None:
    data = content()
    first = load(write(tmp_path, data), limit=2, seed=3)
    data["images"].reverse()
    data["categories"].reverse()
    again = load(write(tmp_path, data), limit=2, seed=3)
    assert again.paths == first.paths
    assert torch.equal(again.labels, first.labels)


def test_unreadable_images_are_refused_or_left_out_with_their_objects(tmp_path: Path) -> None:
    place = write(tmp_path, content())
    (place / "val2017" / "a.jpg").write_bytes(b"damaged")
    with pytest.raises(DataError, match=r"val2017/a\.jpg cannot be read as an image"):
        load(place)
    found = load(place, skip_unreadable=True)
    assert [path.name for path in found.paths] == ["b.jpg", "c.jpg"]
    assert found.labels[:, :, 0].tolist() == [[2, 0], [ABSENT, ABSENT]]
    assert found.notes[-1] == "left out 1 unreadable image: val2017/a.jpg"


@pytest.mark.parametrize(
    "box, expected",
    [
        ([-1, 0, 11, 20], [0, 0, 0.25, 1]),
        ([30, -0.5, 10.7, 21], [0.75, 0, 1, 1]),
        ([39, 19, 2, 2], [0.975, 0.95, 1, 1]),
    ],
)
def test_a_box_up_to_one_pixel_outside_is_clipped(
    tmp_path: Path, box: list[float], expected: list[float]
) -> None:
    data = content()
    data["annotations"][0]["bbox"] = box
    found = load(write(tmp_path, data))
    torch.testing.assert_close(found.labels[1, 0, 1:], torch.tensor(expected))
    assert found.notes[-1] == "clipped 1 box, which was up to one pixel outside of the image"


def test_the_rounding_of_a_sum_is_not_clipped_aloud(tmp_path: Path) -> None:
    data = content()
    data["images"] = [{"id": 7, "file_name": "b.jpg"}]
    bbox = [14.3, 0, 25.7000000001, 20]
    data["annotations"] = [{"image_id": 7, "category_id": 30, "bbox": bbox}]
    found = load(write(tmp_path, data))
    assert found.labels[0, 0, 3] == 1
    assert not any("clipped" in note for note in found.notes)


def test_overlapping_and_identical_boxes_are_kept(tmp_path: Path) -> None:
    data = content()
    same = {"image_id": 8, "category_id": 20, "bbox": [1, 1, 9, 9]}
    data["annotations"] += [dict(same), dict(same), {**same, "bbox": [2, 2, 9, 9]}]
    found = load(write(tmp_path, data))
    assert found.labels.shape == (3, 4, 5)
    assert torch.equal(found.labels[0, 1], found.labels[0, 2])
    assert not torch.equal(found.labels[0, 2], found.labels[0, 3])


def bbox(*values: float) -> Callable[[Content], None]:
    return lambda data: data["annotations"][0].update(bbox=list(values))


def size(**values: object) -> Callable[[Content], None]:
    return lambda data: data["images"][0].update(values)


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize(
    "change, reason",
    [
        (
            bbox(-1.5, 0, 10, 10),
            r"annotations\[0\] has the bbox \[-1\.5, .*outside of b\.jpg \(40 x",
        ),
        (bbox(0, 0, 41.5, 20), r"annotations\[0\] has the bbox .*outside of b\.jpg"),
        (bbox(0, 15, 10, 7), r"annotations\[0\] has the bbox .*outside of b\.jpg"),
        (bbox(50, 50, 10, 10), r"annotations\[0\] has the bbox .*outside of b\.jpg"),
        (bbox(40.2, 5, 0.5, 5), r"annotations\[0\] has the bbox .*or has no area there"),
        (bbox(-0.9, 5, 0.5, 5), r"annotations\[0\] has the bbox .*or has no area there"),
        (bbox(5, 5, 1e-300, 5), r"annotations\[0\] has the bbox .*or has no area there"),
        (size(width=41), r"images\[0\] has 41 x 20 pixels, but .*b\.jpg has 40 x 20 pixels; corr"),
        (size(width=20, height=40), r"images\[0\] has 20 x 40 pixels, but .*40 x 20 pixels; corr"),
    ],
)
def test_wrong_boxes_are_always_refused(
    tmp_path: Path, change: Callable[[Content], None], reason: str, skip: bool
) -> None:
    data = content()
    change(data)
    with pytest.raises(DataError, match=rf"instances_val2017\.json: {reason}"):
        load(write(tmp_path, data), skip_unreadable=skip)


def test_boxes_of_turned_images_are_of_the_upright_ones(tmp_path: Path) -> None:
    data = content()
    place = write(tmp_path, data)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 20)).save(place / "val2017" / "b.jpg", exif=exif)
    with pytest.raises(DataError, match=r"40 x 20 pixels, but .*20 x 40 pixels, as its EXIF data"):
        load(place)
    data["images"][0].update(width=20, height=40)
    data["annotations"][0]["bbox"] = [0, 30, 20, 10]
    place.joinpath("annotations", "instances_val2017.json").write_text(json.dumps(data))
    found = load(place)
    torch.testing.assert_close(found.labels[1, 0, 1:], torch.tensor([0, 0.75, 1, 1]))
    assert "upright" in found.notes[-1]
