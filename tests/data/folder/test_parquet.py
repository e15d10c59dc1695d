"""Images in Parquet files, as Hugging Face stores data sets."""

import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from maskaq.data.classes import Classes
from maskaq.data.folder import count_images, list_images, load_images, parquet
from maskaq.errors import DataError
from tests.support.pictures import CONFIG

NAMES = ("cat", "dog", "cow")
CLASSES = Classes(3, NAMES)
NUMBERS = [2, 0, 1, 0]


def png(grey: int) -> bytes:
    stream = io.BytesIO()
    Image.new("L", (9, 9), grey).save(stream, "PNG")
    return stream.getvalue()


def labels_in(path: Path, names: tuple[str, ...] = NAMES) -> list[int]:
    """Labels of the images of a file or folder, in order."""
    return [item.label for item in list_images(path, Classes(len(names), names)).items]


def write(
    path: Path,
    labels: list[object],
    *,
    names: tuple[str, ...] = (),
    plain: bool = False,
    column: str = "label",
    images: list[bytes | None] | None = None,
    **more: list[object],
) -> Path:
    """Images of greys 0, 10, 20, ... with these labels."""
    encoded = images or [png(10 * number) for number in range(len(labels))]
    cells = encoded if plain else [{"bytes": data, "path": "a.png"} for data in encoded]
    table = pa.table({"image": cells, column: labels, **more})
    if names:
        label = {"_type": "ClassLabel", "names": list(names)}
        info = {"info": {"features": {"image": {"_type": "Image"}, column: label}}}
        table = table.replace_schema_metadata({"huggingface": json.dumps(info)})
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, row_group_size=2)
    return path


def load(path: Path, **options: object):
    return load_images(path, CONFIG, names=NAMES, **options)


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize(
    "labels", [NUMBERS, [NAMES[n] for n in NUMBERS], [str(n) for n in NUMBERS]]
)
def test_images_and_labels_are_read(tmp_path: Path, plain: bool, labels: list[object]) -> None:
    path = write(tmp_path / "a.parquet", labels, plain=plain)
    images = load(path)
    assert images.labels.tolist() == [0, 0, 1, 2]
    assert images.images[:, 0, 0, 0].tolist() == [10, 30, 20, 0]
    assert str(images.paths[0]) == f"{path} row 1"
    assert images.notes == ()
    assert labels_in(path, names=NAMES) == [0, 0, 1, 2]
    assert count_images(path) == 4
    some = load(path, limit=2, seed=3)
    assert set(some.paths) < set(images.paths)
    assert all(
        int(image[0, 0, 0]) == {2: 0, 1: 20}.get(int(label), int(image[0, 0, 0]))
        for image, label in zip(some.images, some.labels, strict=True)
    )


def test_batches_do_not_mix_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "_BATCH", 3)
    for shard in range(2):
        write(tmp_path / "data" / f"val-0000{shard}-of-00002.parquet", [n % 3 for n in range(20)])
    images = load(tmp_path)
    assert len(images) == 40
    for image, label in zip(images.images, images.labels, strict=True):
        assert int(image[0, 0, 0]) // 10 % 3 == int(label)


def test_names_stored_with_the_labels_decide(tmp_path: Path) -> None:
    """Another data set has the same classes in another order, or only some of them."""
    path = write(tmp_path / "a.parquet", [0, 1, 1], names=("Cow", "CAT"))
    assert labels_in(path, names=NAMES) == [0, 0, 2]
    same = write(tmp_path / "b.parquet", [0, 1, 2], names=("cat", "dog", "another name"))
    assert labels_in(same, names=NAMES) == [0, 1, 2]
    some = write(tmp_path / "c.parquet", [0, 1], names=("cat", "lion"))
    with pytest.raises(DataError, match=r"1 label that name no class of the model, such as 'lion'"):
        labels_in(some, names=NAMES)


def test_names_of_other_classes_are_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", [0, 2], names=("bus", "car", "van"))
    listing = list_images(path, CLASSES)
    assert [item.label for item in listing.items] == [0, 2]
    assert listing.notes == (
        "labels of a.parquet are taken as class indices: its names (bus, car, van) are not those "
        "of the model",
    )
    numbers = write(tmp_path / "b.parquet", [0, 2], names=("1", "2", "3"))
    assert [item.label for item in list_images(numbers, CLASSES).items] == [0, 2]


@pytest.mark.parametrize("value", [3, -2])
def test_a_label_without_a_name_is_refused(tmp_path: Path, value: int) -> None:
    path = write(tmp_path / "a.parquet", [0, value], names=NAMES)
    with pytest.raises(DataError, match=rf"has the label {value}, but names of 3 classes"):
        labels_in(path, names=NAMES)


def test_rows_without_a_label_are_counted(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", [0, None, -1, 2])
    assert list_images(path, CLASSES).notes == ("left out 2 rows without a label",)
    assert load(path).labels.tolist() == [0, 2]


def test_labels_that_may_count_from_1_are_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", [1, 2])
    assert "class 0 has no images" in list_images(path, CLASSES).notes[0]
    with pytest.raises(DataError, match="count from 1"):
        list_images(write(tmp_path / "b.parquet", [1, 2, 3]), CLASSES)


def test_damaged_images_are_refused_or_left_out(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", [0, 1, 2], images=[png(7), b"damaged", None])
    with pytest.raises(
        DataError, match=r"2 of 3 images .*a\.parquet row 1 .*row 2 \(the row has n"
    ):
        load(path)
    images = load(path, skip_unreadable=True)
    assert (images.labels.tolist(), len(images.images)) == ([0], 1)
    named = f"{tmp_path.name}/a.parquet row"
    assert images.notes == (f"left out 2 unreadable images: {named} 1, {named} 2",)


def test_splits_are_told_apart(tmp_path: Path) -> None:
    for name in ("train-00000-of-00001", "validation-00000-of-00002", "validation-00001-of-00002"):
        write(tmp_path / "data" / f"{name}.parquet", [0, 1])
    with pytest.raises(
        DataError, match=r"several splits \(train, validation\).*validation-\*\.par"
    ):
        list_images(tmp_path, CLASSES)
    assert len(list_images(tmp_path / "data" / "validation-*.parquet", CLASSES).items) == 4
    with pytest.raises(DataError, match="is not a folder"):
        list_images(tmp_path / "data" / "nothing-*.parquet", CLASSES)


def test_columns_are_chosen_or_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", [0, 1], column="fine_label", names=NAMES, label=[7, 8])
    assert labels_in(path, names=NAMES) == [0, 1]
    both = write(tmp_path / "b.parquet", [0, 1], column="fine_label", target=[7, 8])
    with pytest.raises(DataError, match=r"several columns of labels \(fine_label, target\)"):
        labels_in(both, names=NAMES)
    none = write(tmp_path / "c.parquet", [0, 1], column="caption")
    with pytest.raises(DataError, match="no column of labels; its columns are image, caption"):
        labels_in(none, names=NAMES)
    pq.write_table(pa.table({"label": [0], "image": ["a.png"]}), tmp_path / "d.parquet")
    with pytest.raises(
        DataError, match="no column of encoded images; its columns are label, image"
    ):
        labels_in(tmp_path / "d.parquet", names=NAMES)


def test_too_many_rows_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "_MOST_ROWS", 3)
    with pytest.raises(DataError, match=r"has more than 3 rows; pass a smaller one"):
        list_images(write(tmp_path / "a.parquet", NUMBERS), CLASSES)


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", NUMBERS)
    raw = path.read_bytes()
    for damage in (b"", b"PAR1", raw[: len(raw) // 2], raw[:4] + bytes(200) + raw[204:]):
        path.write_bytes(damage)
        with pytest.raises(DataError, match=r"a\.parquet|cannot be read"):
            load(path)
