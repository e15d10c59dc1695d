from pathlib import Path

import pytest

from maskaq.errors import OptionError, RunError
from maskaq.evaluation.deletion import FILLS, ORDERS
from maskaq.evaluation.dense_deletion import PATCHES, SHARES
from maskaq.figures.maps import deletion
from maskaq.files import sha256
from maskaq.models.architectures import BUNDLED
from maskaq.precomputed import dense, dense_deletion
from maskaq.tasks.remaining import REMAINING

TASKS = list(dense.MODELS)


@pytest.mark.parametrize("task", TASKS)
def test_the_shipped_table_belongs_to_the_shipped_weights(task: str) -> None:
    about = dense_deletion.read(task).attrs
    model = dense.MODELS[task]
    assert (about["model"], about["weights"]) == (model, sha256(BUNDLED[model].checkpoint))
    assert BUNDLED[model].task == task
    assert about["command"] == dense_deletion.COMMAND


@pytest.mark.parametrize("task", TASKS)
def test_the_shipped_table_is_complete(task: str) -> None:
    table = dense_deletion.read(task)
    assert set(table["fill"]) == set(FILLS)
    assert set(table["order"]) == set(ORDERS)
    assert set(table["measure"]) == set(REMAINING[task].measures)
    assert set(table["patches"]) == set(PATCHES)
    assert (table["n"] == table.attrs["scenes"]).all()
    assert (table["low"] <= table["value"]).all()
    assert (table["value"] <= table["high"]).all()
    assert table["share"].nunique() == len(SHARES)
    main = next(iter(REMAINING[task].measures))
    whole = table[(table["measure"] == main) & (table["share"] == 0)]
    assert (whole[["value", "low", "high"]] == 1).all(axis=None)


def test_every_measure_has_a_label() -> None:
    assert list(deletion.DENSE_MEASURES) == list(REMAINING) == TASKS
    for task, labels in deletion.DENSE_MEASURES.items():
        assert list(labels) == list(REMAINING[task].measures)


def test_unknown_tasks_and_missing_files_are_refused(tmp_path: Path, monkeypatch) -> None:
    with pytest.raises(OptionError, match="did you mean 'detection'"):
        dense_deletion.read("detections")
    monkeypatch.setattr(dense_deletion, "FOLDER", tmp_path)
    with pytest.raises(RunError, match=dense_deletion.COMMAND):
        dense_deletion.read("detection")


def test_a_caller_cannot_change_the_table() -> None:
    table = dense_deletion.read("detection")
    table["value"] = 0
    assert (dense_deletion.read("detection")["value"] > 0).any()
