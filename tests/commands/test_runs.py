from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from maskaq.cli import main
from maskaq.config.presets import spec_of
from tests.support import stored


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    stored.write(tmp_path / "a", spec_of("maskaq", (4, 4)))
    stored.write(tmp_path / "b", replace(spec_of("mimiq", (3, 3)), seed=2))
    stored.write(tmp_path / "c")
    (tmp_path / "c" / "result.json").unlink()
    monkeypatch.setenv("MASKAQ_RUNS", str(tmp_path))
    return tmp_path


def said(words: list[str], capsys: pytest.CaptureFixture[str], code: int = 0) -> str:
    assert main(["runs", *words]) == code
    printed = capsys.readouterr()
    return printed.err if code else printed.out


def test_a_list_has_a_line_per_run_and_the_reason_for_the_damaged_one(runs, capsys) -> None:
    lines = said(["list"], capsys).splitlines()
    assert [line.split()[0] for line in lines[1:3]] == ["a", "b"]
    assert lines[3] == f"2 runs in {runs}, 1 others:"
    assert "damaged: c:" in lines[4]
    assert "result.json is missing" in lines[4]


def test_a_list_is_filtered_sorted_and_cut(runs, capsys) -> None:
    words = ["list", str(runs), "--where", "state=whole", "--sort", "seed", "--reverse"]
    assert [row["run"] for row in json.loads(said([*words, "--json"], capsys))] == ["b", "a"]
    rows = said([*words, "--limit", "1", "--csv"], capsys).splitlines()
    assert len(rows) == 2
    assert rows[1].startswith("b,")
    error = said(["list", "--sort", "seeds"], capsys, 2)
    assert "did you mean 'seed'" in error
    assert error.count("\n") == 1


def test_show_and_compare_print_tables(runs, capsys) -> None:
    assert "88.00%" in said(["show", str(runs / "a")], capsys)
    text = said(["compare", str(runs / "a"), str(runs / "b")], capsys)
    assert "synthesis.source" in text
    assert "+0.0 [-0.4, +0.4]" in text
    assert "runs delete" in said(["show", str(runs / "c")], capsys, 2)


def test_delete_asks_and_takes_runs_only(runs, capsys, monkeypatch) -> None:
    a, c = str(runs / "a"), str(runs / "c")
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    assert "pass --yes" in said(["delete", a], capsys, 2)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda _: "n")
    assert "nothing was deleted" in said(["delete", a], capsys)
    assert (runs / "a").exists()
    monkeypatch.setattr("builtins.input", lambda _: "y")
    said(["delete", a], capsys)
    said(["delete", "--yes", c], capsys)
    assert [path.name for path in runs.iterdir()] == ["b"]
    assert "not the folder of one run" in said(["delete", "--yes", str(runs)], capsys, 2)
    assert (runs / "b" / "result.json").exists()


def test_export_writes_the_file_that_was_asked_for(runs, capsys) -> None:
    target = runs / "rows.csv"
    said(["export", str(target), str(runs / "a"), str(runs / "b")], capsys)
    assert len(target.read_text().splitlines()) == 3
