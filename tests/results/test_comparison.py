from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from maskaq.config.presets import spec_of
from maskaq.results import artifacts, manifest, store
from maskaq.results.comparison import comparison, difference
from tests.support import stored


def test_what_differs_and_what_was_reached(tmp_path: Path) -> None:
    stored.write(tmp_path / "a", spec_of("maskaq", (4, 4)))
    stored.write(tmp_path / "b", spec_of("maskaq", (3, 4)))
    table = comparison([store.read(tmp_path / name) for name in "ab"])
    assert list(table.columns) == [str(tmp_path / "a"), str(tmp_path / "b")]
    assert list(table.loc["quantization.weight_bits"]) == [4, 3]
    assert "quantization.activation_bits" not in table.index
    assert table.loc["Q top-1"].iloc[0] == "88.0% [85.0%, 91.0%]"
    assert table.loc["Q to the first, points"].iloc[1] == "+0.0 [-0.4, +0.4]"


def test_the_difference_is_paired_image_by_image(tmp_path: Path) -> None:
    for name in "ab":
        stored.write(tmp_path / name)
    seen = stored.seen()
    seen.answers[1, -35:-15] = 0  # 20 of the 35 mistakes are put right
    seen.answers[1, :5] = 3  # five new ones
    artifacts.write(seen, tmp_path / "b")
    manifest.seal(tmp_path / "b")
    found = difference(store.read(tmp_path / "a"), store.read(tmp_path / "b"))
    assert found is not None
    assert found.value == pytest.approx(15 / 500)
    assert 0 < found.low < found.value < found.high


def test_other_images_are_not_compared(tmp_path: Path) -> None:
    for name in "ab":
        stored.write(tmp_path / name)
    seen = stored.seen()
    seen.labels[:] = np.arange(500) % 10
    artifacts.write(seen, tmp_path / "b")
    manifest.seal(tmp_path / "b")
    runs = [store.read(tmp_path / name) for name in "ab"]
    assert difference(*runs) is None
    assert comparison(runs).loc["Q to the first, points"].iloc[1] == "judged on other images"
