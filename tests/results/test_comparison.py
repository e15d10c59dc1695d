from pathlib import Path

import numpy as np
import pytest

from maskaq.config.presets import spec_of
from maskaq.results import artifacts, manifest, store
from maskaq.results.comparison import comparison, difference
from tests.support import stored


def test_settings_that_differ_and_accuracies_are_compared(tmp_path: Path) -> None:
    stored.write(tmp_path / "a", spec_of("maskaq", (4, 4)))
    stored.write(tmp_path / "b", spec_of("maskaq", (3, 4)))
    table = comparison([store.read(tmp_path / name) for name in "ab"])
    assert list(table.columns) == [str(tmp_path / "a"), str(tmp_path / "b")]
    assert list(table.loc["quantization.weight_bits"]) == [4, 3]
    assert "quantization.activation_bits" not in table.index
    assert table.loc["Q top-1"].iloc[0] == "88.0% [85.0%, 91.0%]"
    assert table.loc["Q minus first, points"].iloc[1] == "+0.0 [-0.4, +0.4]"


def test_the_difference_is_paired_image_by_image(tmp_path: Path) -> None:
    for name in "ab":
        stored.write(tmp_path / name)
    seen = stored.seen()
    seen.answers[1, -35:-15] = 0  # 20 of the 35 errors are corrected
    seen.answers[1, :5] = 3  # 5 new errors
    artifacts.write(seen, tmp_path / "b")
    manifest.seal(tmp_path / "b")
    change = difference(store.read(tmp_path / "a"), store.read(tmp_path / "b"))
    assert change is not None
    assert change.value == pytest.approx(15 / 500)
    assert 0 < change.low < change.value < change.high


def test_runs_on_other_images_are_not_compared(tmp_path: Path) -> None:
    for name in "ab":
        stored.write(tmp_path / name)
    seen = stored.seen()
    seen.labels[:] = np.arange(500) % 10
    artifacts.write(seen, tmp_path / "b")
    manifest.seal(tmp_path / "b")
    runs = [store.read(tmp_path / name) for name in "ab"]
    assert difference(*runs) is None
    assert comparison(runs).loc["Q minus first, points"].iloc[1] == "evaluated on other images"
