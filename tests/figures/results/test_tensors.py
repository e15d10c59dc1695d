import math
from dataclasses import replace

import numpy as np
import pytest

from maskaq.figures.results import tensors
from tests.support import stored


def test_the_figure_places_quantized_tensors_in_order_of_the_network():
    figure = tensors.sqnr(tensors.frame(stored.result())).figure
    points = {trace.name: (list(trace.x), list(trace.y)) for trace in figure.data}
    assert points == {"weight": ([1, 3], [16, 19]), "softmax": ([2, 4], [17, 20])}
    assert "4 quantized tensors" in figure.layout.title.text
    assert len({trace.marker.symbol for trace in figure.data}) == 2


def test_exact_tensors_have_no_ratio_and_are_left_out():
    exact = (replace(stored.TENSORS[0], sqnr_db=math.inf), *stored.TENSORS[1:])
    figure = tensors.sqnr(tensors.frame(replace(stored.result(), tensors=exact))).figure
    assert sum(len(trace.x) for trace in figure.data) == 3


def test_the_description_names_the_worst_tensor():
    alt = tensors.sqnr(tensors.frame(stored.result())).alt
    assert "between 16.0 and 20.0 dB" in alt
    assert "lowest in blocks.0.weight (weight, 4 bits)" in alt


def test_a_run_without_quantized_tensors_says_so():
    table = tensors.frame(replace(stored.result(), tensors=stored.TENSORS[-1:]))
    assert tensors.sqnr(table).alt == "No tensor is quantized."


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


def test_layers_put_a_block_in_a_row_and_its_tensors_in_columns(sound):
    figure = sound(tensors.layers(blocks()))
    (heat,) = figure.data
    assert list(heat.y) == ["block 0", "block 1"]
    assert list(heat.x) == ["qkv.weight", "softmax", "fc2.input"]
    np.testing.assert_array_equal(heat.z, [[10, 11, 12], [11, 12, 13]])
    assert heat.z.dtype == np.float32
    assert heat.text[1][2] == "4b<br>13.0"
    assert "6 tensors in 2 blocks" in figure.layout.title.text


def test_layers_of_a_model_with_stages_are_named_by_stage_and_block():
    table = tensors.layers_frame(blocks("layers.3.blocks.{}."))
    assert table["block"].tolist()[:4] == ["block 3.0"] * 3 + ["block 3.1"]
    assert table.iloc[-1][["block", "part"]].tolist() == ["head", "weight"]


def test_an_exact_tensor_is_labelled_exact():
    table = blocks()
    table.loc[0, "sqnr_db"] = None
    (heat,) = tensors.layers(table).figure.data
    assert math.isnan(heat.z[0, 0])
    assert heat.text[0][0] == "4b<br>exact"


def test_the_sentence_about_layers_names_worst_and_best():
    alt = tensors.layers(blocks()).alt
    assert "qkv.weight has the lowest SQNR (10.5 dB) and fc2.input the highest (12.5 dB)" in alt
    outside = blocks().tail(1)
    assert tensors.layers(outside).alt == "No tensor inside a block is quantized."
