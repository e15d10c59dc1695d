import math
import re
from dataclasses import replace

import pandas as pd
import pytest

from maskaq.errors import RunError
from maskaq.evaluation.activation_shift_table import COLUMNS
from maskaq.results import activation_shift, store
from maskaq.ui.state.stored_runs import EXAMPLES
from tests.support import stored

ROWS = [
    ("patch_embed.proj.input", "image", -1, "range", 2.0, 1.7588941, 1.137, 1.1, 1.2),
    ("blocks.0.mlp.fc2.input", "gelu", 0, "kurtosis", 0.0, 3.0, math.nan, math.nan, math.nan),
]


@pytest.fixture
def diagnosis():
    table = pd.DataFrame(ROWS, columns=list(COLUMNS))
    created = stored.result().created
    return activation_shift.Diagnosis(
        table, 32, 256, "scenes", created, "2026-11-21T10:00:00+00:00", "make it"
    )


def test_numbers_are_stored_with_five_digits(diagnosis, tmp_path):
    activation_shift.write(diagnosis, tmp_path)
    again = activation_shift.read(tmp_path, stored.result())
    expected = diagnosis.table.assign(real=[1.7589, 3.0])
    pd.testing.assert_frame_equal(again.table, expected)
    assert (again.samples, again.real, again.command) == (32, 256, "make it")


def test_the_diagnosis_of_an_older_run_is_ignored(diagnosis, tmp_path):
    assert activation_shift.read(tmp_path, stored.result()) is None
    activation_shift.write(diagnosis, tmp_path)
    newer = replace(stored.result(), created="2026-11-22T10:00:00+00:00")
    assert activation_shift.read(tmp_path, newer) is None


@pytest.mark.parametrize("text", ["{", "[]", '{"rows": [], "columns": []}', '{"rows": 3}'])
def test_a_damaged_file_is_refused_with_the_command(tmp_path, text):
    (tmp_path / activation_shift.FILE).write_text(text)
    with pytest.raises(RunError, match=r"python -m benchmarks\.diagnosis"):
        activation_shift.read(tmp_path, stored.result())


def test_commands_use_relative_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert activation_shift.command_for(tmp_path / "runs" / "a").endswith("diagnosis runs/a")


@pytest.mark.parametrize("folder", sorted(EXAMPLES.iterdir()), ids=lambda folder: folder.name)
def test_shipped_runs_have_a_diagnosis(folder):
    result = store.read(folder).result
    diagnosis = activation_shift.read(folder, result)
    if diagnosis is None:
        pytest.skip(f"outdated; run {activation_shift.COMMAND}")
    assert diagnosis.samples == result.samples["count"]
    assert diagnosis.real == 256
    rows = [row for row in result.tensors if row.quantized]
    # Q may have separate ranges for each kind of token; the diagnosis covers all tokens.
    tensors = {(re.sub(r"\.(prefix|patches)$", "", row.tensor), row.role) for row in rows}
    assert set(zip(diagnosis.table["tensor"], diagnosis.table["role"], strict=True)) <= tensors
