from dataclasses import replace

import pytest

from maskaq.figures.results import by_bits
from tests.support import stored


def results():
    start = stored.result()
    results = []
    for source in ("noise", "maskaq"):
        for bits, top1 in ((3, 0.7), (8, 0.88)):
            spec = replace(
                start.spec,
                synthesis=replace(start.spec.synthesis, source=source),
                quantization=replace(
                    start.spec.quantization, weight_bits=bits, activation_bits=bits
                ),
            )
            q = replace(start.q, top1=top1, top1_low=top1 - 0.02, top1_high=top1 + 0.01)
            results.append(replace(start, spec=spec, q=q))
    return results


def test_p_comes_once_and_formats_from_wide_to_narrow():
    table = by_bits.frame(results())
    assert table["bits"].tolist() == ["float32", "W8A8", "W8A8", "W3A3", "W3A3"]
    assert table["source"].tolist()[:3] == ["none", "noise", "maskaq"]
    assert table["n"].unique().tolist() == [500]


def test_each_source_is_a_line_with_its_own_marker_and_dash():
    figure = by_bits.lines(results()).figure
    noise, maskaq = figure.data
    assert (noise.name, maskaq.name) == ("Q from noise", "Q from maskaq")
    assert list(noise.x) == ["W8A8", "W3A3"]
    assert list(noise.y) == pytest.approx([88, 70])
    assert list(noise.error_y.array) == pytest.approx([1, 1])
    assert list(noise.error_y.arrayminus) == pytest.approx([2, 2])
    assert noise.marker.symbol != maskaq.marker.symbol
    assert noise.line.dash != maskaq.line.dash
    assert figure.layout.yaxis.title.text == "top-1 accuracy, %"
    assert "500 images" in figure.layout.title.text
    assert [note.text for note in figure.layout.annotations] == ["P, 90.0 %"]


def test_the_sentence_names_every_value():
    assert "Q from noise: 88.0 % at W8A8, 70.0 % at W3A3" in by_bits.lines(results()).alt
