import json
from pathlib import Path

import pytest

from maskaq.cli import main
from maskaq.config.grid_file import parse_grid
from maskaq.config.parsing import to_json
from maskaq.config.presets import spec_of
from maskaq.jobs import sweep
from maskaq.results import listing
from tests.support import stored

GRID = 'method = "mimiq"\nbackend = "minmax"\n[grid]\nbits = ["W4A4", "W3A3"]\n'
TINY = 'synthesis.images = 2\nsynthesis.steps = 1\neval_images = 40\nsource = "noise"\n' + GRID
BAD = '[[runs]]\nweights = "/nowhere/w.safetensors"\n'


@pytest.fixture
def grid(tmp_path: Path) -> Path:
    path = tmp_path / "grid.toml"
    path.write_text(TINY)
    return path


@pytest.mark.slow
def test_a_sweep_reports_its_outcome_and_is_not_repeated(grid, tmp_path, capsys) -> None:
    words = ["sweep", str(grid), "--out", str(tmp_path / "out")]
    grid.write_text(TINY)
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert "2 runs, 0 of them already finished" in printed
    assert "this machine:" in printed
    assert "2 finished, 0 failed" in printed
    table = listing.list_runs(tmp_path / "out")
    assert sorted(table["bits"]) == ["W3A3", "W4A4"]
    assert main(words) == 0
    assert capsys.readouterr().out == "2 runs, 2 of them already finished\n"
    grid.write_text(TINY + BAD)
    assert main([*words, "--no-estimate"]) == 1
    printed = capsys.readouterr()
    assert "3 runs, 2 of them already finished" in printed.out
    assert "0 finished, 1 failed" in printed.out
    assert "1/1" in printed.err
    assert "/nowhere/w.safetensors" in printed.err
    assert "failed.json" in printed.err


@pytest.mark.parametrize(
    "words, message",
    [
        (["--workers", "0"], "--workers is '0'; allowed: 1 to"),
        (["--scheduler", "here"], "--scheduler is 'here'; allowed: tcp://"),
        (["--scheduler", "tcp://10.0.0.1:8786"], "neither encrypted"),
    ],
)
def test_bad_options_are_refused_before_any_run(grid, tmp_path, capsys, words, message) -> None:
    assert main(["sweep", str(grid), "--out", str(tmp_path / "out"), *words]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_estimate_of_a_grid_a_spec_or_a_result(grid, tmp_path, capsys) -> None:
    (tmp_path / "spec.json").write_text(to_json(parse_grid(TINY)[0]))
    values = json.loads(stored.result(parse_grid(TINY)[0]).to_json())
    (tmp_path / "result.json").write_text(json.dumps(values))
    for name, count in (("grid.toml", "2 runs"), ("spec.json", "1 run"), ("result.json", "1 run")):
        assert main(["estimate", str(tmp_path / name)]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[0] == count
        assert "0 image-steps; at least" in lines[1]
        assert len(lines) == 7


@pytest.mark.parametrize(
    "name, text, message",
    [
        ("a.json", "{", "cannot be read"),
        ("a.json", "[" * 100_000, "cannot be read"),
        ("a.json", "[]", "spec is []"),
        ("a.json", '{"modle": 1}', "did you mean 'model'"),
        ("a.toml", "modle = 1", "did you mean 'model'"),
    ],
)
def test_an_invalid_spec_is_refused(tmp_path, capsys, name, text, message) -> None:
    (tmp_path / name).write_text(text)
    assert main(["estimate", str(tmp_path / name)]) == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert printed.count("\n") == 1


def test_the_folder_of_a_run_depends_on_its_settings(tmp_path: Path) -> None:
    specs = [spec_of("maskaq"), spec_of("mimiq")]
    one, two = sweep.plan(specs, tmp_path)
    assert one.folder != two.folder
    assert sweep.plan(specs[:1], tmp_path)[0] == one
