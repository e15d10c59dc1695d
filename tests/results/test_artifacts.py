from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from maskaq.errors import RunError
from maskaq.results import artifacts, store
from tests.support import stored


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    stored.write(tmp_path / "run")
    return tmp_path / "run"


def test_evidence_is_read_as_it_was_written(folder: Path) -> None:
    expected, actual = stored.seen(), store.read(folder).evidence
    assert actual is not None
    for name in ("labels", "answers", "apart", "apart_index", "seen", "certainty", "alpha"):
        one, other = getattr(expected, name), getattr(actual, name)
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    assert list(actual.classes) == list(expected.classes)
    assert list(actual.steps) == [1, 3]


def test_the_film_has_one_sheet_per_step(folder: Path) -> None:
    first, last = artifacts.film(folder)
    assert np.asarray(first)[10, 10] == pytest.approx(30, abs=6)  # webp is lossy
    assert np.asarray(last)[10, 10] == pytest.approx(200, abs=6)


def test_nearly_equal_frames_are_not_merged(tmp_path: Path) -> None:
    frames = [np.full((4, 3, 64, 64), value, np.uint8) for value in (30, 200, 200, 200)]
    artifacts.write(replace(stored.seen(), frames=frames, steps=[1, 2, 3, 4]), tmp_path)
    means = [np.asarray(sheet)[:60, :60].mean() for sheet in artifacts.film(tmp_path)]
    assert means == pytest.approx([30, 200, 200, 200], abs=6)


def test_samples_are_read_on_access(folder: Path) -> None:
    assert store.read(folder).samples["images"].shape == (4, 3, 64, 64)
    stored.without(folder, "samples.safetensors")
    assert store.read(folder).samples == {}


def test_a_run_without_evidence_can_be_read(folder: Path) -> None:
    stored.without(folder, *artifacts.FILES)
    assert store.read(folder).evidence is None
    assert artifacts.film(folder) == []


@pytest.mark.parametrize(
    "name, reader", [("evidence.safetensors", artifacts.read), ("frames.webp", artifacts.film)]
)
def test_a_damaged_file_is_named(folder: Path, name: str, reader: object) -> None:
    path = folder / name
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(RunError, match=f"{name} cannot be read"):
        reader(folder)  # type: ignore[operator]


def test_large_images_are_averaged_down() -> None:
    image = np.zeros((1, 3, 224, 224), np.uint8)
    image[..., 1::3, :] = 90  # every third row
    small = artifacts.shrunk(image)
    assert small.shape == (1, 3, 74, 74)
    assert (small == 30).all()
