import json
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from maskaq.config.presets import spec_of
from maskaq.errors import OptionError, RunError
from maskaq.results import store
from maskaq.results.export import export
from maskaq.results.listing import Entry, entries
from tests.support import stored


@pytest.fixture
def runs(tmp_path: Path) -> list[Entry]:
    stored.write(tmp_path / "runs" / "a", spec_of("maskaq", (4, 4)))
    stored.write(tmp_path / "runs" / "b", spec_of("mimiq", (3, 3)))
    return list(entries(tmp_path / "runs"))


def test_a_zip_contains_complete_runs(runs: list[Entry], tmp_path: Path) -> None:
    export(runs, tmp_path / "two.zip")
    with zipfile.ZipFile(tmp_path / "two.zip") as archive:
        archive.extractall(tmp_path / "extracted")
    for entry in runs:
        copy = tmp_path / "extracted" / entry.folder.name
        assert store.read(copy).result == store.read(entry.folder).result


@pytest.mark.parametrize(
    "suffix, read",
    [("csv", pd.read_csv), ("parquet", pd.read_parquet), ("json", lambda p: pd.DataFrame(load(p)))],
)
def test_a_table_has_a_row_per_run(runs: list[Entry], tmp_path: Path, suffix, read) -> None:
    target = tmp_path / f"rows.{suffix}"
    export(runs, target)
    assert list(read(target)["bits"]) == ["W4A4", "W3A3"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"rows.{suffix}", "runs"]


def load(path: Path) -> list[dict[str, object]]:
    return json.loads(path.read_text())


def test_invalid_exports_are_refused(runs: list[Entry], tmp_path: Path) -> None:
    with pytest.raises(
        OptionError, match=r"ends with '.xls'; allowed: .csv, .json, .parquet, .zip"
    ):
        export(runs, tmp_path / "x.xls")
    with pytest.raises(RunError, match="two runs are named a"):
        export([runs[0], runs[0]], tmp_path / "x.zip")
    (runs[0].folder / "result.json").unlink()
    with pytest.raises(RunError, match=r"is damaged: .*result.json is missing"):
        export(list(entries(runs[0].folder)), tmp_path / "x.zip")
    with pytest.raises(RunError, match="cannot be written"):
        export([], tmp_path / "nowhere" / "x.zip")
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]
