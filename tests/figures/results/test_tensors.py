import math
from dataclasses import replace

import numpy as np
import pytest

from maskaq.figures.results import tensors
from tests.support import stored


def test_the_frame_keeps_every_row_of_the_report():
    table = tensors.frame(stored.result())
    assert table["tensor"].tolist() == [row.tensor for row in stored.TENSORS]
    assert table["clipped"].iloc[0] == pytest.approx(0.001)


NAMES = ("attn.qkv.weight", "attn.operands.softmax", "mlp.fc2.input")


def blocks(pattern="blocks.{}."):
    """Three tensors in each of two blocks, and one outside."""
    rows = [
        replace(stored.TENSORS[0], tensor=pattern.format(block) + name, sqnr_db=10.0 + block + part)
        for block in range(2)
        for part, name in enumerate(NAMES)
    ]
    rows.append(replace(stored.TENSORS[0], tensor="head.weight", bits=8, sqnr_db=42.0))
    return tensors.frame(replace(stored.result(), tensors=tuple(rows)))


def parts(figure):
    """The heat map, and the targets of its cells."""
    (cells,) = (trace for trace in figure.data if trace.customdata is not None)
    return figure.data[0], cells


def test_the_diagram_has_a_row_per_layer_in_the_order_of_the_network(sound):
    figure = sound(tensors.anatomy(blocks()))
    heat, cells = parts(figure)
    assert list(heat.y) == ["block 0", "block 1", "head"]
    assert list(heat.x) == ["qkv.weight", "softmax", "fc2.input", "weight"]
    np.testing.assert_array_equal(heat.z[:2, :3], [[10, 11, 12], [11, 12, 13]])
    assert heat.z[2, 3] == 42
    assert heat.z.dtype == np.float32
    assert heat.text[1][2] == "4b<br>13"
    assert "Bits and SQNR of 7 tensors" in figure.layout.title.text
    assert ["blocks.1.attn.operands.softmax"] in [list(one) for one in cells.customdata]


def test_a_cell_shows_the_worse_of_two_ranges():
    table = blocks()
    table.loc[0, "tensor"] = "blocks.0.mlp.fc2.input.prefix"
    table.loc[2, "tensor"] = "blocks.0.mlp.fc2.input.patches"
    heat, cells = parts(tensors.anatomy(table).figure)
    assert heat.z[list(heat.y).index("block 0"), list(heat.x).index("fc2.input")] == 10
    assert ["blocks.0.mlp.fc2.input.prefix"] in [list(one) for one in cells.customdata]


def test_the_chosen_tensor_has_a_frame():
    assert not tensors.anatomy(blocks()).figure.layout.shapes
    (frame,) = tensors.anatomy(blocks(), "blocks.1.attn.operands.softmax").figure.layout.shapes
    assert (frame.x0, frame.x1, frame.y0, frame.y1) == (0.5, 1.5, 0.5, 1.5)


def test_layers_of_a_model_with_stages_are_named_by_stage_and_block():
    table = tensors.layers_frame(blocks("layers.3.blocks.{}."))
    assert table["block"].tolist()[:4] == ["block 3.0"] * 3 + ["block 3.1"]
    assert table.iloc[-1][["block", "part"]].tolist() == ["head", "weight"]


def test_an_exact_tensor_is_labelled_exact():
    table = blocks()
    table.loc[0, "sqnr_db"] = None
    heat, cells = parts(tensors.anatomy(table).figure)
    assert math.isnan(heat.z[0, 0])
    assert heat.text[0][0] == "4b<br>exact"
    assert "exact, already on the levels" in " ".join(cells.hovertext)


def test_the_sentence_names_what_loses_most():
    assert tensors.anatomy(blocks()).alt == (
        "Most is lost in blocks.0.attn.qkv.weight (weight, 4 bits): 10.0 dB. Averaged over the "
        "blocks, qkv.weight loses most (10.5 dB)."
    )
    exact = blocks().assign(sqnr_db=None)
    assert tensors.anatomy(exact).alt == "No tensor loses anything."
