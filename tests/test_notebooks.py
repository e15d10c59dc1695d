"""The notebooks are run whole, each in a kernel of its own, and are stored as they were run."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SECONDS = 240  # for one cell, on two slow cores

pytestmark = pytest.mark.slow


def kinds(notebook: nbformat.NotebookNode) -> list[list[str]]:
    """Of every code cell, what kind of outputs it has; text printed in parts counts once."""
    return [
        list(dict.fromkeys(output.output_type for output in cell.outputs))
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def test_there_are_five() -> None:
    assert [path.stem[:2] for path in NOTEBOOKS] == ["01", "02", "03", "04", "05"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_stored_as_it_was_run_from_top_to_bottom(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert sum(bool(cell.outputs) for cell in code) >= len(code) // 2
    assert not any(output.output_type == "error" for cell in code for output in cell.outputs)
    assert not any(output.get("name") == "stderr" for cell in code for output in cell.outputs)
    assert notebook.cells[0].source.startswith(f"# {int(path.stem[:2])}. ")


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs_whole_and_shows_what_it_stored(path: Path, monkeypatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv(
        "PYTHONWARNINGS", "default"
    )  # of the kernel; ours are errors everywhere else
    stored = nbformat.read(path, as_version=4)
    run = nbformat.read(path, as_version=4)
    for cell in run.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    NotebookClient(run, timeout=SECONDS, kernel_name="python3").execute(cwd=str(ROOT))
    assert kinds(run) == kinds(stored)
