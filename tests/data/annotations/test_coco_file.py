"""JSON files from anyone: each mistake is named with its file and its entry."""

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskaq.data.annotations import coco_file, json_object
from maskaq.data.annotations.coco_file import Box, read_coco
from maskaq.data.annotations.json_object import read_object
from maskaq.errors import DataError

Content = dict[str, Any]


def content() -> Content:
    return {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 4, "height": 3}, image(2)],
        "annotations": [
            {"image_id": 1, "category_id": 5, "bbox": [0, 1, 2, 2]},
            {"image_id": 1, "category_id": 6, "bbox": [], "iscrowd": 1},
        ],
        "categories": [{"id": 5, "name": "cat"}, {"id": 6, "name": "dog"}],
    }


def image(number: object) -> Content:
    return {"id": number, "file_name": "b.jpg"}


def write(folder: Path, data: object) -> Path:
    path = folder / "objects.json"
    path.write_text(data if isinstance(data, str) else json.dumps(data))
    return path


def test_boxes_belong_to_their_images(tmp_path: Path) -> None:
    found = read_coco(write(tmp_path, content()))
    assert [photo.name for photo in found.photos] == ["a.jpg", "b.jpg"]
    assert [photo.sides for photo in found.photos] == [(4, 3), None]
    assert [photo.boxes for photo in found.photos] == [[Box(5, 0, 1, 2, 2, 0)], []]
    assert (found.categories, found.crowds) == ({5: "cat", 6: "dog"}, 1)


def test_ids_of_images_may_be_text(tmp_path: Path) -> None:
    data = content()
    data["images"][0]["id"] = data["annotations"][0]["image_id"] = "1"
    data["annotations"].pop()
    data["images"].append({**image(1), "file_name": "c.jpg"})
    assert [len(photo.boxes) for photo in read_coco(write(tmp_path, data)).photos] == [1, 0, 0]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_byte_order_mark_is_read(tmp_path: Path, encoding: str) -> None:
    data = content()
    data["categories"][0]["name"] = "кот"
    path = tmp_path / "a.json"
    path.write_bytes(json.dumps(data, ensure_ascii=False).encode(encoding))
    assert read_coco(path).categories[5] == "кот"


def put(key: str, number: int, **values: object) -> Callable[[Content], object]:
    """Change values of an entry."""
    return lambda data: data[key][number].update(values)


def drop(key: str, number: int, name: str) -> Callable[[Content], object]:
    return lambda data: data[key][number].pop(name)


def whole(key: str, value: object) -> Callable[[Content], object]:
    return lambda data: data.update({key: value})


@pytest.mark.parametrize(
    "change, reason",
    [
        *((lambda data, key=key: data.pop(key), rf" has no list `{key}`") for key in content()),
        *((whole(key, []), rf" has no list `{key}` with entries") for key in content()),
        *((whole(key, {"a": 1}), rf" has no list `{key}` with ent") for key in content()),
        *((whole(key, [3]), rf": {key}\[0\] is 3, not an object") for key in content()),
        *((whole(key, [[]]), rf": {key}\[0\] is \[\], not an object") for key in content()),
        (
            drop("images", 1, "id"),
            r": images\[1\] has no id; correct the file, or remove the entry",
        ),
        (drop("images", 1, "file_name"), r": images\[1\] has no file_name"),
        (drop("images", 0, "width"), r": images\[0\] has no width"),
        (drop("categories", 1, "id"), r": categories\[1\] has no id"),
        (drop("categories", 1, "name"), r": categories\[1\] has no name"),
        (drop("annotations", 0, "image_id"), r": annotations\[0\] has no image_id"),
        (drop("annotations", 0, "category_id"), r": annotations\[0\] has no category_id"),
        (drop("annotations", 0, "bbox"), r": annotations\[0\] has no bbox"),
        (put("images", 1, id=None), r": images\[1\] has the id None, which is not an integer or"),
        (put("images", 1, id=True), r": images\[1\] has the id True, which is not"),
        (put("images", 1, id=[1]), r": images\[1\] has the id \[1\], which is not"),
        (put("images", 1, id=1.5), r": images\[1\] has the id 1\.5, which is not"),
        (put("images", 1, file_name=3), r": images\[1\] has the file_name 3, which is not text"),
        (put("images", 0, width="4"), r": images\[0\] has the width '4', which is not a number"),
        (put("images", 0, width=0), r": images\[0\] has the size 0 x 3, which no image has"),
        (
            put("images", 0, height=10**400),
            r": images\[0\] has the size 4 x 1000.*, which no image",
        ),
        (put("categories", 0, id="5"), r": categories\[0\] has the id '5', which is not an int"),
        (put("categories", 0, name=["a"]), r": categories\[0\] has the name \['a'\], which is not"),
        (put("categories", 1, id=5), r": categories\[1\] has the id 5 of another category"),
        (put("images", 1, id=1), r": images\[1\] has the id 1 of another image"),
        (put("annotations", 0, image_id=3), r": annotations\[0\] has the image_id 3, which no ent"),
        (put("annotations", 0, image_id="1"), r": annotations\[0\] has the image_id '1', which no"),
        (put("annotations", 0, image_id={}), r": annotations\[0\] has the image_id \{\}, which is"),
        (put("annotations", 0, category_id=7), r": annotations\[0\] has the category_id 7, which "),
        (put("annotations", 1, category_id=7), r": annotations\[1\] has the category_id 7, which "),
        (
            put("annotations", 0, category_id=True),
            r": annotations\[0\] has the category_id True, w",
        ),
        (put("annotations", 0, iscrowd=2), r": annotations\[0\] has the iscrowd 2, which is not 0"),
        (put("annotations", 0, iscrowd="0"), r": annotations\[0\] has the iscrowd '0', which is n"),
        (put("annotations", 0, iscrowd=1), r": annotations has only groups \(iscrowd\), and no si"),
        (put("annotations", 0, bbox="0 1 2 2"), r": annotations\[0\] has the bbox '0 1 2 2', whic"),
        (put("annotations", 0, bbox=[0, 1, 2]), r": annotations\[0\] has the bbox \[0, 1, 2\], no"),
        (
            put("annotations", 0, bbox=[0] * 99),
            r": annotations\[0\] has the bbox .*\.\.\.\], not x",
        ),
        (put("annotations", 0, bbox=[0, 1, 2, "2"]), r": annotations\[0\] has the bbox .*, not x,"),
        (put("annotations", 0, bbox=[0, 1, 2, None]), r": annotations\[0\] has the bbox .*, not x"),
        (put("annotations", 0, bbox=[0, 1, 2, True]), r": annotations\[0\] has the bbox .*, not x"),
        (
            put("annotations", 0, bbox=[0, 1, 10**400, 1]),
            r": annotations\[0\] has the bbox .*, not",
        ),
        (put("annotations", 0, bbox=[0, 1, 0, 2]), r": annotations\[0\] .*width or height is not "),
        (put("annotations", 0, bbox=[0, 1, 2, -2]), r": annotations\[0\] .*width or height is not"),
    ],
)
def test_wrong_entries_are_named(
    tmp_path: Path, change: Callable[[Content], object], reason: str
) -> None:
    data = content()
    change(data)
    with pytest.raises(DataError, match=rf"objects\.json{reason}"):
        read_coco(write(tmp_path, data))


def text(change: Callable[[str], str]) -> str:
    return change(json.dumps(content()))


@pytest.mark.parametrize(
    "data, reason",
    [
        ("", r"is not valid JSON \(Expecting value.*\); correct it"),
        ("hello", r"is not valid JSON"),
        (text(lambda whole: whole[:-30]), r"is not valid JSON"),
        (text(lambda whole: whole + "x"), r"is not valid JSON \(Extra data"),
        (text(lambda whole: whole.replace("[0, 1", "[NaN, 1")), r"NaN is not a number in JSON"),
        (text(lambda whole: whole.replace("[0, 1", "[-Infinity, 1")), r"-Infinity is not a number"),
        (text(lambda whole: whole.replace("[0, 1", "[1e999, 1")), r"annotations\[0\] .*\[inf, 1"),
        (text(lambda whole: whole.replace("[0, 1", "[" + "9" * 5000)), r"is not valid JSON"),
        (text(lambda whole: '{"images": [], ' + whole[1:]), r"an object has the key 'images' twic"),
        (text(lambda whole: whole.replace("[0, 1", "[" * 100_000)), r"it is nested too deeply"),
        ("[" * 100_000 + "]" * 100_000, r"it is nested too deeply"),
        ('{"a":' * 100_000, r"it is nested too deeply"),
        ("[]", r"holds a value of the type list, not an object with images"),
        ("3", r"holds a value of the type int, not an object"),
        ("null", r"holds a value of the type NoneType, not an object"),
        ("{}", r"has no list `categories`"),
    ],
)
def test_broken_json_is_refused(tmp_path: Path, data: str, reason: str) -> None:
    with pytest.raises(DataError, match=rf"objects\.json.*{reason}"):
        read_coco(write(tmp_path, data))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@settings(deadline=None, max_examples=300)
@given(
    key=st.sampled_from(["images", "annotations", "categories"]),
    place=st.integers(0, 1),
    name=st.sampled_from(
        ["id", "file_name", "width", "height", "image_id", "category_id", "bbox", "iscrowd", "name"]
    ),
    value=JSON,
)
def test_any_other_value_is_read_or_refused(tmp_path_factory, key, place, name, value) -> None:
    data = content()
    data[key][place][name] = value
    path = write(tmp_path_factory.getbasetemp(), data)
    with suppress(DataError):
        found = read_coco(path)
        boxes = [box for photo in found.photos for box in photo.boxes]
        assert len(boxes) + found.crowds == 2
        assert all(box.width > 0 and box.height > 0 and box.category in (5, 6) for box in boxes)


def test_values_as_deep_as_json_allows_are_shown(tmp_path: Path) -> None:
    for depth in range(900, 1000, 7):
        data = text(lambda whole, d=depth: whole.replace("[0, 1, 2, 2]", "[" * d + "]" * d))
        with pytest.raises(DataError, match=r"has the bbox|nested too deeply"):
            read_coco(write(tmp_path, data))


def test_text_in_another_encoding_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(json.dumps(content()).encode("utf-16"))
    with pytest.raises(DataError, match=r"a\.json is not text in UTF-8"):
        read_object(path)


def test_a_huge_file_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with path.open("wb") as file:
        file.truncate(json_object._MOST_BYTES + (1 << 20))  # a sparse file
    with pytest.raises(DataError, match=r"a\.json has 513 MB, allowed are 512; remove images"):
        read_object(path)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"is not a file; pass a JSON file in COCO's format"):
        read_object(tmp_path)


def test_outlines_are_not_kept(tmp_path: Path) -> None:
    data = content()
    data["annotations"][0]["segmentation"] = [[1.0] * 50]
    found = read_object(write(tmp_path, data))
    assert found["annotations"][0] == content()["annotations"][0]


def test_an_image_has_a_limited_number_of_objects(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coco_file, "_MOST_OBJECTS", 3)
    data = content()
    data["annotations"] *= 3
    assert len(read_coco(write(tmp_path, data)).photos[0].boxes) == 3
    data["annotations"].append(data["annotations"][0])
    with pytest.raises(
        DataError, match=r"annotations\[6\] is object 4 of its image, allowed are 3"
    ):
        read_coco(write(tmp_path, data))


def test_text_of_the_file_cannot_control_a_terminal(tmp_path: Path) -> None:
    data = content()
    data["annotations"][0]["bbox"] = "\x1b[2J"
    with pytest.raises(DataError) as refused:
        read_coco(write(tmp_path, data))
    assert "\x1b" not in str(refused.value)
