"""What the playground is sent for segmentation and detection."""

import json
import zlib

import numpy as np
import pytest
from safetensors.numpy import load

from maskaq.errors import OptionError
from maskaq.files import sha256
from maskaq.models.architectures import BUNDLED
from maskaq.precomputed import dense
from maskaq.ui.dense import component

TASKS = pytest.mark.parametrize("task", dense.MODELS)


@TASKS
def test_the_stored_numbers_are_those_of_the_model_that_ships(task: str) -> None:
    about = dense.read(task).about
    model = BUNDLED[dense.MODELS[task]]
    assert about["weights"] == sha256(model.checkpoint)
    card = json.loads(model.card.read_text())
    assert about["p"][0] == pytest.approx(card[about["metric"]]["value"], abs=1e-5)
    assert about["n"] == card[about["metric"]]["n"] == 5000
    for source in dense.SOURCES:
        for bits in dense.BITS:
            value, low, high = about["q"][source][bits]
            assert 0 < low <= value <= high < 1


@TASKS
def test_the_answers_of_q_move_with_the_bits(task: str) -> None:
    arrays = dense.read(task).arrays
    p, q = arrays["p"], arrays["q"]
    assert q.shape == (len(dense.SOURCES), len(dense.BITS), *p.shape)
    assert len(arrays["images"]) == len(arrays["truth"]) == len(p) == 12

    def distance(bits: str) -> float:
        one = q[dense.SOURCES.index("maskaq"), dense.BITS.index(bits)]
        return float(np.abs(one.astype(float) - p).mean())

    assert distance("W8A8") < distance("W4A4") < distance("W3A3")


@TASKS
def test_the_message_holds_everything_the_browser_needs(task: str) -> None:
    data = component.message(task)
    arrays = load(data)
    length = int.from_bytes(data[:8], "little")
    document = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["json"])
    assert document["task"] == task
    assert len(document["titles"]) == 12
    stored = dense.read(task).arrays["q"]
    assert zlib.decompress(arrays["q"].tobytes()) == stored.tobytes()
    assert len(data) < 1_000_000


@TASKS
def test_the_table_has_a_row_for_each_source_and_format(task: str) -> None:
    table = component.table(task)
    assert len(table) == len(dense.SOURCES) * len(dense.BITS)
    assert "5,000 scenes" in component.about(task)
    assert "simulated" in component.about(task)


def test_other_tasks_have_no_pictures() -> None:
    with pytest.raises(OptionError, match="unknown task 'detecton'; did you mean 'detection'"):
        dense.read("detecton")
