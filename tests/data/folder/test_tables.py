"""Flat folders with a table of labels, in the forms that people have."""

from pathlib import Path

import pytest

from maskaq.data.classes import Classes
from maskaq.data.folder import list_images, load_images
from maskaq.errors import DataError
from tests.support.pictures import CONFIG, write

CLASSES = Classes(
    4, ("cat", "dog", "great white shark", "Crane"), tuple(f"n0000000{i}" for i in range(4))
)
LABELS = {"a.png": 0, "b.png": 2, "sub/c.jpg": 3}
FROM = "labels are from {}, columns {} and {}"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three images, one of them in a folder that is not named after a class."""
    for grey, name in enumerate(LABELS):
        write(tmp_path / "set" / name, 30 * grey)
    return tmp_path / "set"


def labels(folder: Path, place: Path | None = None, classes: Classes = CLASSES) -> dict[str, int]:
    listing = list_images(place or folder, classes)
    return {item.path.relative_to(folder).as_posix(): item.label for item in listing.items}


@pytest.mark.parametrize(
    "name, header, file, label",
    [
        ("labels.csv", "file,label", "{}", "{index}"),
        ("labels.csv", "label;filename", "{}", "{name}"),
        ("train.tsv", "Image\tClass", "{}", "{synset}"),
        ("x.csv", "ImageId,PredictionString", "{stem}", "{synset} 1 2 3 4"),
        ("metadata.csv", "file_name,label,caption", "{}", "{index}.0"),
        ("x.csv", "filename,label,name", "{}", "{index}"),
        ("x.csv", "id,class,name", "{stem}", "{index}"),
        ("x.csv", "path,target", "somewhere/set/{}", "{index}"),
        ("x.csv", "path,target", ".\\{back}", "{index}"),
        ("x.csv", "", "{}", "{index}"),
    ],
)
def test_columns_are_recognised(
    folder: Path, name: str, header: str, file: str, label: str
) -> None:
    separator = next((one for one in ",;\t" if one in header), ",")
    rows = [header] if header else []
    for path, index in LABELS.items():
        cells = {
            "index": index,
            "name": CLASSES.names[index].upper().replace(" ", "_"),
            "synset": CLASSES.synsets[index],
        }
        stem = path.rpartition(".")[0]
        row = [file.format(path, stem=stem, back=path.replace("/", "\\")), label.format(**cells)]
        row = row[::-1] if header.startswith("label") else row
        rows.append(separator.join([*row, *["text"] * (header.count(separator) - 1)]))
    (folder / name).write_text("\n".join(rows))
    assert labels(folder) == LABELS
    (note,) = list_images(folder, CLASSES).notes
    assert note.startswith(f"labels are from {name}")
    assert len(load_images(folder, CONFIG, names=CLASSES.names, synsets=CLASSES.synsets)) == 3


@pytest.mark.parametrize("separator", [" ", "\t", ",", "  "])
@pytest.mark.parametrize("label", ["{index}", "{name}"])
def test_text_with_a_name_and_a_label_a_line(folder: Path, separator: str, label: str) -> None:
    write(folder / "a b.png")
    wanted = LABELS | {"a b.png": 1}
    lines = [
        name + separator + label.format(index=index, name=CLASSES.names[index])
        for name, index in wanted.items()
        if not (label == "{name}" and " " in separator and " " in name)  # cannot be told apart
    ]
    (folder / "val_annotations.txt").write_text("\n".join(lines))
    found = labels(folder)
    assert found == {name: wanted[name] for name in found}
    assert len(found) >= 3


@pytest.mark.parametrize("line", ["a.png\t{}\t0\t32\t44\t62", "a.png,{},0,32"])
def test_boxes_after_the_label_are_not_labels(folder: Path, line: str) -> None:
    (folder / "val_annotations.txt").write_text(line.format(CLASSES.synsets[2]))
    assert labels(folder) == {"a.png": 2}
    (folder / "val_annotations.txt").write_text(line.format(2))
    with pytest.raises(DataError, match="name no class"):
        labels(folder)


def test_metadata_as_json_lines(folder: Path) -> None:
    lines = [f'{{"file_name": "{name}", "label": {index}}}' for name, index in LABELS.items()]
    (folder / "metadata.jsonl").write_text("\n".join(lines))
    (folder / "other.csv").write_text("file,label\na.png,3")  # metadata comes first
    assert labels(folder) == LABELS
    (folder / "metadata.jsonl").write_text("[1]")
    with pytest.raises(DataError, match=r"metadata\.jsonl cannot be read .*not a JSON object"):
        labels(folder)


def test_what_does_not_fit_is_counted(folder: Path) -> None:
    write(folder / "more.png")
    write(folder / "blank.png")
    rows = ["file,label,split", "a.png,0,train", "b.png,2,train", "gone.png,1,train", "d.png,1,val"]
    (folder / "labels.csv").write_text("\n".join([*rows, "blank.png,,val"]))
    listing = list_images(folder, CLASSES)
    assert len(listing.items) == 2
    assert listing.notes == (
        FROM.format("labels.csv", "file", "label"),
        "rows of all splits were read: train 3, val 2",
        "2 rows of labels.csv without an image in the folder: gone.png, d.png",
        "1 row of labels.csv without a label",
        "left out 3 images without a label in labels.csv: blank.png, more.png, c.jpg",
    )


def test_labels_that_may_count_from_1_are_named(folder: Path) -> None:
    (folder / "labels.csv").write_text("file,label\na.png,1\nb.png,2\nsub/c.jpg,3")
    assert "class 0 has no images" in list_images(folder, CLASSES).notes[-1]
    (folder / "labels.csv").write_text("file,label\na.png,1\nb.png,2\nsub/c.jpg,4")
    with pytest.raises(DataError, match=r"1 label that name no class .* count from 1"):
        labels(folder)


@pytest.mark.parametrize(
    "text, message",
    [
        ("file,label\na.png,lion", r"1 label that name no class of the model, such as 'lion'; all"),
        ("file,label\na.png,0\na.png,1", r"gives a\.png two labels, '0' and '1'; keep one"),
        ("file,label\nz.png,0", "labels.csv has no columns of files in the folder"),
        ("file,width\na.png,3", "labels.csv has no columns of files in the folder"),
        ("a.png,3,2", "labels.csv has no columns of files in the folder"),
        ("Bild,Klasse\na.png,3", "labels.csv has no columns of files in the folder"),
        ("", "labels.csv has no columns of files in the folder"),
        ('file,label\n"a.png,0', "cannot be read as a table of labels|no columns of files"),
        ("a,b\na.png,1,2,3,4", "cannot be read as a table of labels"),
    ],
)
def test_other_tables_are_refused(folder: Path, text: str, message: str) -> None:
    (folder / "labels.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        labels(folder)


def test_of_several_tables_one_is_passed(folder: Path) -> None:
    (folder / "one.csv").write_text("file,label\na.png,0")
    (folder / "two.csv").write_text("file,label\na.png,1\nb.png,1")
    with pytest.raises(DataError, match=r"several tables of labels; pass one .*one\.csv, .*two"):
        labels(folder)
    assert labels(folder, folder / "two.csv") == {"a.png": 1, "b.png": 1}
    (folder / "three.csv").write_text("nothing")
    with pytest.raises(DataError, match=r"three\.csv has no columns"):
        labels(folder, folder / "three.csv")


def test_a_row_never_takes_the_file_of_another_folder(tmp_path: Path) -> None:
    write(tmp_path / "train" / "1.png")
    write(tmp_path / "test" / "2.png")
    (tmp_path / "x.csv").write_text("file,label\ntest/1.png,0\ntest/2.png,1\n1.png,2")
    assert labels(tmp_path) == {"train/1.png": 2, "test/2.png": 1}
    write(tmp_path / "test" / "1.png")  # now `1.png` means two files
    assert labels(tmp_path) == {"test/1.png": 0, "test/2.png": 1}


def test_class_folders_come_before_a_table(folder: Path) -> None:
    write(folder / "dog" / "d.png")
    (folder / "labels.csv").write_text("file,label\na.png,0")
    (folder / "sub" / "c.jpg").unlink()
    listing = list_images(folder, CLASSES)
    assert [item.label for item in listing.items] == [1]
    assert listing.notes[:2] == (
        "left out 2 images beside the class folders",
        "1 file is not an image: 1 .csv",
    )


def test_a_file_that_is_no_text_or_too_large_is_refused(folder: Path) -> None:
    (folder / "labels.csv").write_bytes(b"file,label\n\xff\xfe\x00,1")
    with pytest.raises(DataError, match=r"labels\.csv cannot be read .* save it as UTF-8"):
        labels(folder)
    with (folder / "labels.csv").open("wb") as stream:
        stream.truncate(1 << 29)
    with pytest.raises(DataError, match=r"is larger than 256 MB, too large for a table"):
        labels(folder)
