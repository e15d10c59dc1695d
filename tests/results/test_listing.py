import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from maskaq.config.presets import spec_of
from maskaq.errors import OptionError, RunError
from maskaq.results import listing, manifest
from maskaq.results.listing import DAMAGED, UNFINISHED, WHOLE, entries, list_runs, where
from tests.support import stored


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Two whole runs, one in a subfolder; a damaged one; a file; an empty folder."""
    stored.write(tmp_path / "a", spec_of("maskaq", (4, 4)))
    stored.write(tmp_path / "table" / "b", replace(spec_of("mimiq", (3, 3)), seed=2))
    stored.write(tmp_path / "c")
    (tmp_path / "c" / "curves.parquet").unlink()
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "empty").mkdir()
    return tmp_path


def test_every_run_has_a_row_and_the_damaged_one_a_reason(runs: Path) -> None:
    table = list_runs(runs).set_index("run")
    assert list(table.index) == ["a", "c", "table/b"]
    assert list(table["state"]) == [WHOLE, DAMAGED, WHOLE]
    assert "curves.parquet is missing" in table.loc["c", "problem"]
    row = table.loc["table/b"]
    assert (row["bits"], row["method"], row["seed"]) == ("W3A3", "mimiq", 2)
    result = stored.result()
    assert (row["q"], row["p"], row["n"]) == (result.q.top1, result.fp.top1, 500)
    assert row["synthesis.steps"] == spec_of("mimiq").synthesis.steps
    assert Path(row["folder"]) == runs / "table" / "b"


def test_checksums_are_verified_on_request(runs: Path) -> None:
    path = runs / "a" / "samples.safetensors"
    path.write_bytes(path.read_bytes()[::-1])
    assert next(entries(runs)).state == WHOLE
    entry = next(entries(runs, thorough=True))
    assert entry.state == DAMAGED
    assert "SHA-256" in entry.problem


def test_an_empty_folder_gives_an_empty_table_with_columns(tmp_path: Path) -> None:
    assert list(list_runs(tmp_path).columns) == list(listing.COLUMNS)
    assert where(list_runs(tmp_path), ["bits=W4A4"]).empty
    with pytest.raises(RunError, match="is not a folder"):
        list_runs(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "conditions, selected",
    [
        (["bits=W3A3"], ["table/b"]),
        (["bits!=W3A3", "state=whole"], ["a"]),
        (["seed>=1"], ["table/b"]),
        (["seed < 1"], ["a"]),
        (["q>0.9"], []),
        (["synthesis.source=mimiq", "n=500"], ["table/b"]),
    ],
)
def test_conditions_select_runs(runs: Path, conditions: list[str], selected: list[str]) -> None:
    assert list(where(list_runs(runs), conditions)["run"]) == selected


@pytest.mark.parametrize(
    "condition, message",
    [
        ("bits", "expected NAME=VALUE"),
        ("bit=W4A4", "did you mean 'bits'"),
        ("bits>W4A4", "expected a number after >"),
        ("__class__.x=1", "unknown column"),
    ],
)
def test_a_bad_condition_is_refused(runs: Path, condition: str, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        where(list_runs(runs), [condition])


def test_delete_removes_one_run_and_nothing_else(runs: Path) -> None:
    listing.delete(next(entries(runs)))
    assert list(list_runs(runs)["run"]) == ["c", "table/b"]
    assert sorted(path.name for path in runs.iterdir()) == ["c", "empty", "notes.txt", "table"]


def test_links_are_not_followed(runs: Path, tmp_path: Path) -> None:
    (runs / "loop").symlink_to(runs)
    assert len(list_runs(runs)) == 3


KILLED = """
import os, signal, sys
from pathlib import Path
from maskaq.results import store

def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}

def die_at(call):
    calls = 0
    def watch(event, args):
        nonlocal calls
        if event in ("os.rename", "open", "shutil.rmtree", "os.mkdir", "os.remove", "os.rmdir"):
            calls += 1
            if calls == call:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(watch)

top = Path(sys.argv[1])
old, new = files(top / "old"), files(top / "new")
code = 1
while os.waitstatus_to_exitcode(code):
    number = len(list(top.glob("store*")))
    target = top / f"store{number}" / "run"
    store.write(old, target)
    child = os.fork()
    if not child:
        die_at(number + 1)
        store.write(new, target)
        os._exit(0)
    code = os.waitpid(child, 0)[1]
"""


def test_a_killed_writer_leaves_a_whole_run_in_place_or_listed(tmp_path: Path) -> None:
    stored.write(tmp_path / "old", spec_of("maskaq", (4, 4)))
    stored.write(tmp_path / "new", spec_of("maskaq", (3, 3)))
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], timeout=60, check=True)
    places = list(tmp_path.glob("store*"))
    assert len(places) > 20  # killed at many different moments
    tables = {place.name: list_runs(place) for place in places}
    for table in tables.values():
        assert {"W4A4", "W3A3"} & set(table["bits"].dropna())
        assert set(table[table["run"] == "run"]["state"]) <= {WHOLE}
    assert {state for table in tables.values() for state in table["state"]} == {WHOLE, UNFINISHED}
    last = tables[f"store{len(places) - 1}"]
    assert list(last["bits"]) == ["W3A3"]
    assert (tmp_path / f"store{len(places) - 1}" / "run" / manifest.NAME).is_file()


def test_mixed_precision_is_listed_by_its_average(tmp_path: Path) -> None:
    spec = spec_of("maskaq")
    mixed = replace(spec, quantization=replace(spec.quantization, average_bits=3.5))
    stored.write(tmp_path / "a", mixed)
    assert list(list_runs(tmp_path)["bits"]) == [mixed.quantization.name] == ["W3.5A4"]


def test_bits_that_are_no_numbers_are_a_damage(tmp_path: Path) -> None:
    stored.write(tmp_path / "a")
    path = tmp_path / "a" / manifest.NAME
    contents = json.loads(path.read_text())
    contents["summary"]["spec"]["quantization"]["weight_bits"] = "4"
    path.write_text(json.dumps(contents))
    (entry,) = entries(tmp_path)
    assert entry.state == DAMAGED
    assert "lacks numbers of bits: it has ('4', 4, 0.0)" in entry.problem
