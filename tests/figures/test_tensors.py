from __future__ import annotations

import math
from dataclasses import replace

import pytest

from maskaq.figures import tensors
from tests import stored


def test_the_figure_places_quantized_tensors_in_order_of_the_network():
    figure = tensors.sqnr(tensors.frame(stored.result()))
    points = {trace.name: (list(trace.x), list(trace.y)) for trace in figure.data}
    assert points == {"weight": ([1, 3], [16, 19]), "softmax": ([2, 4], [17, 20])}
    assert "4 quantized tensors" in figure.layout.title.text
    assert len({trace.marker.symbol for trace in figure.data}) == 2


def test_exact_tensors_have_no_ratio_and_are_left_out():
    exact = (replace(stored.TENSORS[0], sqnr_db=math.inf), *stored.TENSORS[1:])
    figure = tensors.sqnr(tensors.frame(replace(stored.result(), tensors=exact)))
    assert sum(len(trace.x) for trace in figure.data) == 3


def test_the_description_names_the_worst_tensor():
    said = tensors.describe(tensors.frame(stored.result()))
    assert "from 16.0 to 20.0 dB" in said
    assert "lowest is blocks.0.weight (weight, 4 bits)" in said


def test_nothing_quantized_is_said():
    table = tensors.frame(replace(stored.result(), tensors=stored.TENSORS[-1:]))
    assert tensors.describe(table) == "No tensor is quantized."


def test_the_frame_keeps_every_row_of_the_report():
    table = tensors.frame(stored.result())
    assert table["tensor"].tolist() == [row.tensor for row in stored.TENSORS]
    assert table["clipped"].iloc[0] == pytest.approx(0.001)
