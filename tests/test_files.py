from pathlib import Path

import pytest

from maskaq.files import atomic_write, split_key


def test_a_file_replaces_the_older_one(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    for text in ("first", "second"):
        with atomic_write(path) as draft:
            draft.write_text(text)
            assert not path.exists() or path.read_text() == "first"
        assert path.read_text() == text
    assert list(tmp_path.iterdir()) == [path]


def _fail_half_way(path: Path) -> None:
    with atomic_write(path) as draft:
        draft.write_text("half")
        raise ZeroDivisionError


def test_a_failure_keeps_the_older_file_and_removes_the_temporary_one(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError):
        _fail_half_way(path)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_temporary_file_that_was_not_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_write(tmp_path / "a.txt"):
        pass
    assert not list(tmp_path.iterdir())


def test_the_key_of_a_path_follows_its_last_mark(tmp_path: Path) -> None:
    assert split_key("a/b.pt#model.ema") == (Path("a/b.pt"), "model.ema")
    assert split_key("a#1/b.pt#x") == (Path("a#1/b.pt"), "x")
    assert split_key("a/b.pt") == split_key("a/b.pt#") == (Path("a/b.pt"), "")
    own = tmp_path / "run#2.pt"
    assert split_key(own) == (tmp_path / "run", "2.pt")
    own.touch()
    assert split_key(own) == (own, "")
