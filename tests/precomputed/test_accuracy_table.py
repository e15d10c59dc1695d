from dataclasses import replace

import pandas as pd
import pytest

from maskaq.errors import RunError
from maskaq.precomputed import accuracy_table
from maskaq.precomputed.accuracy_table import Cell, over_seeds

CELL = Cell("scenes_vit", "maskaq", "repq", "W4A4", 0, 0.9, 0.8, 0.77, 0.83, 500, 2.0, 30.0)
ABOUT = {"command": "measure", "created": "2026-11-21T10:00:00+00:00", "device": "cpu"}


def test_each_model_is_stored_and_replaced_separately(tmp_path):
    path = tmp_path / "accuracy.json"
    assert accuracy_table.read(path) == {}
    accuracy_table.write("scenes_vit", [CELL, replace(CELL, seed=1)], ABOUT, path)
    accuracy_table.write("vit_tiny", [replace(CELL, model="vit_tiny")], ABOUT, path)
    accuracy_table.write("scenes_vit", [CELL], ABOUT, path)
    found = accuracy_table.read(path)
    assert {model: len(one.table) for model, one in found.items()} == {
        "scenes_vit": 1,
        "vit_tiny": 1,
    }
    assert found["scenes_vit"].command == "measure"
    assert Cell(**found["scenes_vit"].table.iloc[0]) == CELL


@pytest.mark.parametrize("text", ["{", "[]", '{"m": {"cells": []}}', '{"m": {"cells": [{}]}}'])
def test_the_message_for_a_damaged_file_names_the_command(tmp_path, text):
    path = tmp_path / "accuracy.json"
    path.write_text(text)
    with pytest.raises(RunError, match=r"python -m benchmarks\.accuracy"):
        accuracy_table.read(path)


def test_seeds_are_averaged_with_range_and_interval():
    cells = [replace(CELL, seed=seed, q=q) for seed, q in enumerate((0.80, 0.82, 0.84))]
    cells.append(replace(CELL, backend="mse"))
    several, one = over_seeds(pd.DataFrame(map(vars, cells))).itertuples(index=False)
    assert (several.backend, several.seeds, several.n) == ("repq", 3, 500)
    assert (several.lowest, several.q, several.highest) == pytest.approx((0.80, 0.82, 0.84))
    assert several.high - several.q == pytest.approx(4.302653 * 0.02 / 3**0.5)
    assert (one.seeds, one.low, one.q, one.high) == (
        1,
        0.77,
        0.8,
        0.83,
    )  # Wilson interval over images
