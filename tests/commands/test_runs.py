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


def output(words: list[str], capsys: pytest.CaptureFixture[str], code: int = 0) -> str:
    assert main(["runs", *words]) == code
    printed = capsys.readouterr()
    return printed.err if code else printed.out


def test_a_list_has_a_line_per_run_and_the_reason_why_one_is_damaged(runs, capsys) -> None:
    lines = output(["list"], capsys).splitlines()
    assert [line.split()[0] for line in lines[1:3]] == ["a", "b"]
    assert lines[3] == f"2 runs in {runs}, 1 others:"
    assert "damaged: c:" in lines[4]
    assert "result.json is missing" in lines[4]


def test_a_list_is_filtered_sorted_and_limited(runs, capsys) -> None:
    words = ["list", str(runs), "--where", "state=whole", "--sort", "seed", "--reverse"]
    assert [row["run"] for row in json.loads(output([*words, "--json"], capsys))] == ["b", "a"]
    rows = output([*words, "--limit", "1", "--csv"], capsys).splitlines()
    assert len(rows) == 2
    assert rows[1].startswith("b,")
    error = output(["list", "--sort", "seeds"], capsys, 2)
    assert "did you mean 'seed'" in error
    assert error.count("\n") == 1


def test_show_and_compare_print_tables(runs, capsys) -> None:
    assert "88.00%" in output(["show", str(runs / "a")], capsys)
    text = output(["compare", str(runs / "a"), str(runs / "b")], capsys)
    assert "synthesis.source" in text
    assert "+0.0 [-0.4, +0.4]" in text
    assert "runs delete" in output(["show", str(runs / "c")], capsys, 1)


def test_delete_asks_for_confirmation_and_deletes_runs_only(runs, capsys, monkeypatch) -> None:
    a, c = str(runs / "a"), str(runs / "c")
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    assert "pass --yes" in output(["delete", a], capsys, 2)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda _: "n")
    assert "nothing was deleted" in output(["delete", a], capsys)
    assert (runs / "a").exists()
    monkeypatch.setattr("builtins.input", lambda _: "y")
    output(["delete", a], capsys)
    output(["delete", "--yes", c], capsys)
    assert [path.name for path in runs.iterdir()] == ["b"]
    assert "not the folder of one run" in output(["delete", "--yes", str(runs)], capsys, 1)
    assert (runs / "b" / "result.json").exists()


def test_export_writes_a_row_per_run(runs, capsys) -> None:
    target = runs / "rows.csv"
    output(["export", str(target), str(runs / "a"), str(runs / "b")], capsys)
    assert len(target.read_text().splitlines()) == 3
