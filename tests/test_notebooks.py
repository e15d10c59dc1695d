"""The notebooks run from top to bottom, each with no names of another, and are stored as they ran.

With fewer images and steps, so that they take seconds. One kernel runs them all, because most of
the time of a short notebook goes into loading torch.
"""

from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
DEFAULT = ("01",)  # those that run in the default tier
SECONDS = 240  # for one cell, on two slow cores
# Runs once, before all notebooks.
SHORTEN = "from tests.support.short import shorten_runs; shorten_runs()"
FORGET = "%reset -f"  # runs before the first cell of each

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def kinds(notebook: nbformat.NotebookNode) -> list[list[str]]:
    """The kinds of outputs of each code cell; text printed in parts counts once."""
    return [
        list(dict.fromkeys(output.output_type for output in cell.outputs))
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def test_there_are_six() -> None:
    assert [path.stem[:2] for path in NOTEBOOKS] == ["01", "02", "03", "04", "05", "06"]


@every_notebook
def test_a_notebook_is_stored_as_it_ran_from_top_to_bottom(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert sum(bool(cell.outputs) for cell in code) >= len(code) // 2
    assert not any(output.output_type == "error" for cell in code for output in cell.outputs)
    assert not any(output.get("name") == "stderr" for cell in code for output in cell.outputs)
    assert notebook.cells[0].source.startswith(f"# {int(path.stem[:2])}. ")


@pytest.fixture(scope="module")
def client() -> Iterator[NotebookClient]:
    """The client of a kernel in which runs are short."""
    shorten = new_notebook(cells=[new_code_cell(SHORTEN)])
    client = NotebookClient(shorten, timeout=SECONDS, kernel_name="python3")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        # Of the kernel: other libraries may warn there. Everywhere else warnings are errors.
        patch.setenv("PYTHONWARNINGS", "default")
        client.execute(cwd=str(ROOT), cleanup_kc=False)
    yield client
    client.nb = new_notebook()
    client.execute(reset_kc=False, cleanup_kc=True)


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(path, id=path.stem, marks=() if path.stem[:2] in DEFAULT else pytest.mark.slow)
        for path in NOTEBOOKS
    ],
)
def test_a_notebook_runs_and_shows_what_it_stores(path: Path, client: NotebookClient) -> None:
    stored = nbformat.read(path, as_version=4)
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    notebook.cells.insert(0, new_code_cell(FORGET))
    client.nb = notebook
    client.execute(reset_kc=False, cleanup_kc=False)
    del notebook.cells[0]
    assert kinds(notebook) == kinds(stored)
