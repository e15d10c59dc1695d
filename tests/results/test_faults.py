"""Full and read-only disks: no finished run is lost, and the message says what to do."""

import logging
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from maskaq.cli import main
from maskaq.config.presets import spec_of
from maskaq.errors import RunError
from maskaq.results import listing, paths, store
from tests.support import stored


def mount(place: Path, *options: str) -> None:
    words = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(place)]
    if not shutil.which("mount"):
        pytest.skip("needs the mount command")
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"needs permission to mount a small disk ({done.stderr.strip()})")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 400 kB: room for one stored run, not for two."""
    place = tmp_path / "disk"
    place.mkdir()
    mount(place, "size=400k")
    yield place
    subprocess.run(["umount", str(place)], check=True)


@pytest.fixture
def files(tmp_path: Path) -> dict[str, bytes]:
    stored.write(tmp_path / "run")
    return {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}


def test_a_full_disk_keeps_the_older_run_and_no_temporary_files(
    small_disk: Path, files: dict[str, bytes]
) -> None:
    assert 200_000 < sum(map(len, files.values())) < 380_000
    store.write(files, small_disk / "a")
    for name in ("a", "b"):
        with pytest.raises(RunError, match=r"No space left on device.*choose another --out"):
            store.write(files, small_disk / name)
    assert [path.name for path in small_disk.iterdir()] == ["a"]
    assert list(listing.list_runs(small_disk, thorough=True)["state"]) == [listing.WHOLE]


def test_a_disk_too_small_for_checkpoints_does_not_stop_the_run(
    small_disk: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spare = tmp_path / "spare"
    spare.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(spare))
    out = small_disk / "run"
    words = ["run", "--images", "4", "--steps", "3", "--eval-images", "20", "--method", "mimiq"]
    words += ["--backend", "minmax", "--checkpoint", "1", "--out", str(out)]
    with caplog.at_level(logging.WARNING):
        assert main(words) == 1  # the run itself does not fit, either
    assert "no checkpoint could be kept" in caplog.text
    assert not out.exists()
    assert [path for path in small_disk.rglob("*") if path.suffix == ".part"] == []
    errors = capsys.readouterr().err
    assert "No space left on device" in errors
    (entry,) = listing.entries(spare)
    assert f"The run was saved in {entry.folder} instead" in errors
    assert entry.state == listing.WHOLE


@pytest.fixture
def locked_disk(small_disk: Path, files: dict[str, bytes]) -> Iterator[Path]:
    """A read-only disk with one run."""
    store.write(files, small_disk / "a")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    yield small_disk
    subprocess.run(["mount", "-o", "remount,rw", str(small_disk)], check=True)


def test_a_read_only_store_can_be_read_but_not_written(
    locked_disk: Path, files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert store.read(locked_disk / "a").result == stored.result()
    for name in ("a", "b"):
        with pytest.raises(RunError, match="Read-only file system"):
            store.write(files, locked_disk / name)
    with pytest.raises(RunError, match="cannot be removed"):
        listing.delete(next(listing.entries(locked_disk)))
    monkeypatch.setenv("MASKAQ_RUNS", str(locked_disk))
    with pytest.raises(RunError, match="set MASKAQ_RUNS to a writable folder"):
        paths.check_writable()
    assert list(listing.list_runs(locked_disk)["state"]) == [listing.WHOLE]


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/b", "..", ".", ""])
def test_no_file_is_written_outside_the_folder_of_a_run(
    tmp_path: Path, files: dict[str, bytes], name: str
) -> None:
    before = sorted(path for path in tmp_path.rglob("*"))
    with pytest.raises(RunError):
        store.write({**files, name: b"x"}, tmp_path / "new")
    assert sorted(path for path in tmp_path.rglob("*")) == before


def test_settings_cannot_choose_the_folder_of_a_run() -> None:
    hostile = replace(spec_of("maskaq"), model="../../etc/passwd", weights="; rm -rf /")
    name = paths.name_of(hostile)
    assert len(name) == 16
    assert set(name) <= set("0123456789abcdef")
    assert paths.folder_of(hostile).parent == paths.app_folder()
