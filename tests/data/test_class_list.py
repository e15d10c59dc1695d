"""Lists of class names: every usual form gives the same names, and mistakes are refused."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from maskaq.data.class_list import ClassList, read_class_list
from maskaq.errors import DataError

NAMES = ("tench", "great white shark", "7-Eleven, shop")
SYNSETS = ("n01440764", "n01484850", "n03661043")
FORMS = {
    "lines": "\n".join(NAMES),
    "blank lines, a mark and spaces": "\ufeff\n" + " \r\n\n".join(NAMES) + "\n\n",
    "indices": "\n".join(f"{i} {name}" for i, name in enumerate(NAMES)),
    "indices in another order": "\n".join(f"{i}: {NAMES[i]}" for i in (2, 0, 1)),
    "CSV": "\n".join(f"{i},{name}" for i, name in enumerate(NAMES)),
    "list": json.dumps(NAMES),
    "class_to_idx": json.dumps({NAMES[i]: i for i in (1, 2, 0)}),
    "id2label": json.dumps({i: name for i, name in enumerate(NAMES)}),
    "config.json": json.dumps({"model_type": "vit", "id2label": dict(enumerate(NAMES))}),
    "label2id": json.dumps({"label2id": {name: i for i, name in enumerate(NAMES)}}),
    "inside": json.dumps({"classes": NAMES}),
}


def write(folder: Path, text: str, name: str = "names.txt") -> Path:
    (folder / name).write_text(text, "utf-8")
    return folder / name


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_names_in_order(tmp_path: Path, form: str) -> None:
    for name in ("names.txt", "names.json") if FORMS[form][0] in "[{" else ("names.txt",):
        assert read_class_list(write(tmp_path, FORMS[form], name), 3) == ClassList(NAMES)


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(f"{synset} {name}" for synset, name in zip(SYNSETS, NAMES, strict=True)),
        "\n".join(f"{synset}\t{name}" for synset, name in zip(SYNSETS, NAMES, strict=True)),
        json.dumps({i: [SYNSETS[i], NAMES[i]] for i in range(3)}),
    ],
)
def test_synsets_are_recognised(tmp_path: Path, text: str) -> None:
    assert read_class_list(write(tmp_path, text), 3) == ClassList(NAMES, SYNSETS)
    assert read_class_list(write(tmp_path, "\n".join(SYNSETS)), 3) == ClassList(SYNSETS, SYNSETS)


def test_indices_that_count_from_1_are_named(tmp_path: Path) -> None:
    path = write(tmp_path, "\n".join(f"{i} {name}" for i, name in enumerate(NAMES, 1)))
    assert read_class_list(path, 3) == ClassList(
        NAMES, (), ("the indices in names.txt count from 1: index 1 is class 0",)
    )


@pytest.mark.parametrize(
    "text, message",
    [
        ("a\nb", "has 2 class names, but the model has 3"),
        ("a\nb\nc\nd", "has 4 class names, but the model has 3"),
        ("", "has 0 class names"),
        ("a\nb\na", "has 1 names more than once, such as a"),
        ("0 a\n1 b\n1 c", "several names for the index 1"),
        ("0 a\n1 b\n3 c", r"no name for the index 2 and the index 3; .* 0 to 2"),
        ("0 a\n1 b", "no name for the index 2;"),
        ("1 a\n2 b", "no name for the index 0;"),
        ('{"a": 0, "b": 1, "c": 5}', "no name for the index 2 and the index 5"),
        ('{"a": 0, "b": 1, "c": 1}', "several names for the index 1"),
        ('{"a": 0, "b": true, "c": 1}', "has no class names; allowed"),
        ('{"a": 0.5}', "has no class names; allowed"),
        ("[1, 2, 3]", "has no class names; allowed"),
        ("{}", "has no class names; allowed"),
        ("[", "is not valid JSON"),
        ("[" * 100_000, "is not valid JSON"),
    ],
)
def test_other_lists_are_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=rf"names\.txt.* {message}"):
        read_class_list(write(tmp_path, text), 3)


def test_files_that_are_no_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nothing\.txt cannot be read: No such file"):
        read_class_list(tmp_path / "nothing.txt", 3)
    (tmp_path / "a.txt").write_bytes("a\nb".encode("utf-16"))
    with pytest.raises(DataError, match=r"a\.txt is not text in UTF-8; save it"):
        read_class_list(tmp_path / "a.txt", 3)
    with (tmp_path / "large.txt").open("wb") as stream:
        stream.truncate(17 << 20)
    with pytest.raises(DataError, match=r"large\.txt is larger than 16 MB"):
        read_class_list(tmp_path / "large.txt", 3)


PLAIN = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=12).filter(
    lambda name: name.strip() == name and not name.startswith(("[", "{", "\ufeff"))
)


@settings(deadline=None, max_examples=60)
@given(st.lists(PLAIN, min_size=1, max_size=6, unique=True))
def test_any_names_survive_lines_and_json(tmp_path_factory, names: list[str]) -> None:
    folder = tmp_path_factory.mktemp("lists")
    for text in (
        "\n".join(names),
        json.dumps(names),
        json.dumps({n: i for i, n in enumerate(names)}),
    ):
        assert read_class_list(write(folder, text), len(names)).names == tuple(names)
