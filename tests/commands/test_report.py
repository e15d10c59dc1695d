import json
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from maskaq.cli import main
from maskaq.config.presets import spec_of
from tests.support import stored


@pytest.fixture
def runs(tmp_path: Path) -> list[str]:
    specs = spec_of("maskaq", (4, 4)), replace(spec_of("mimiq", (3, 3)), seed=2)
    for name, spec in zip("ab", specs, strict=True):
        stored.write(tmp_path / name, spec)
    return [str(tmp_path / name) for name in "ab"]


def test_one_html_file_with_figures(runs, tmp_path, capsys) -> None:
    out = tmp_path / "report.html"
    assert main(["report", *runs, "--out", str(out)]) == 0
    assert f"written to {out}" in capsys.readouterr().out
    text = out.read_text()
    assert "2 quantized versions of scenes_vit" in text
    assert "Plotly.newPlot" in text or "plotly-graph-div" in text
    assert "by the command line of maskaq" in text
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["report.html"]


def test_the_suffix_chooses_settings_or_tables(runs, tmp_path) -> None:
    assert main(["report", runs[0], "--out", str(tmp_path / "a.json")]) == 0
    (run,) = json.loads((tmp_path / "a.json").read_text())
    assert run["settings"]["method"] == "maskaq"
    assert main(["report", *runs, "--out", str(tmp_path / "a.zip")]) == 0
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert "run_2/settings.csv" in archive.namelist()


@pytest.mark.parametrize(
    "out, code, message",
    [
        ("report.pdf", 2, "allowed: .html, .json, .zip"),
        ("none/report.html", 1, "choose another file"),
    ],
)
def test_a_report_that_cannot_be_written_is_refused(
    runs, tmp_path, capsys, out, code, message
) -> None:
    assert main(["report", runs[0], "--out", str(tmp_path / out)]) == code
    assert message in capsys.readouterr().err


def test_a_folder_without_a_run_is_refused(tmp_path, capsys) -> None:
    assert main(["report", str(tmp_path), "--out", str(tmp_path / "r.html")]) == 1
    assert str(tmp_path) in capsys.readouterr().err
    assert not (tmp_path / "r.html").exists()
