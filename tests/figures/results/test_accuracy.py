from dataclasses import replace

import pytest

from maskaq.config import FitOptions
from maskaq.config.presets import spec_of
from maskaq.figures.results import accuracy
from tests.support import stored


def test_the_frame_holds_every_share_in_percent_with_interval_and_count():
    table = accuracy.frame(stored.result()).set_index(["model", "measure"])
    assert table.loc[("P", "top-1")].tolist() == pytest.approx([90, 87, 93, 500])
    assert table.loc[("Q", "top-1")].tolist() == pytest.approx([88, 85, 91, 500])
    assert table.loc[("P", "top-5")].tolist() == pytest.approx([99, 97, 100, 500])
    assert table.loc[("Q", "top-5")].tolist() == pytest.approx([98, 96, 99, 500])
    assert table.loc[("P and Q", "agreement")].tolist() == pytest.approx([93, 90, 95, 500])
    assert len(table) == 5


def test_the_figure_has_values_and_error_bars():
    p, q = accuracy.p_and_q(stored.result()).figure.data
    assert (p.name, list(p.x)) == ("P", pytest.approx([90, 99]))
    assert (q.name, list(q.x)) == ("Q", pytest.approx([88, 98]))
    assert list(q.error_x.array) == pytest.approx([3, 1])
    assert list(q.error_x.arrayminus) == pytest.approx([3, 2])
    assert [list(level) for level in q.y] == [["top-1", "top-5"], ["Q", "Q"]]
    assert p.marker.symbol != q.marker.symbol  # colour is not the only difference


def test_the_axis_fits_the_lowest_interval_and_the_title_has_the_number_of_images():
    low = replace(stored.result(), q=replace(stored.result().q, top1=0.13, top1_low=0.11))
    figure = accuracy.p_and_q(low).figure
    assert figure.layout.xaxis.range == (0, 101)
    figure = accuracy.p_and_q(stored.result()).figure
    assert figure.layout.xaxis.range == (80, 101)
    assert "500 images" in figure.layout.title.text


@pytest.mark.parametrize(
    "top1, words",
    [(0.88, "2.0 points below"), (0.93, "3.0 points above"), (0.9, "the same as")],
)
def test_the_description_gives_the_takeaway(top1, words):
    result = replace(stored.result(), q=replace(stored.result().q, top1=top1))
    alt = accuracy.p_and_q(result).alt
    assert f"Q is right on {100 * top1:.1f} %" in alt
    assert words in alt
    assert "P with 90.0 %" in alt


def runs():
    """Noise and maskaq at W4A4, and maskaq at W3A3; P is the same for all."""
    results = []
    for source, bits, top1 in (("noise", (4, 4), 0.6), ("maskaq", (4, 4), 0.88)):
        spec = spec_of("maskaq", bits)
        spec = replace(spec, synthesis=replace(spec.synthesis, source=source))
        base = stored.result(spec)
        results.append(replace(base, q=replace(base.q, top1=top1, top1_low=top1 - 0.03)))
    return [*results, stored.result(spec_of("maskaq", (3, 3)))]


def test_sources_show_p_once_and_every_q(sound):
    table = accuracy.sources_frame(runs())
    assert table["source"].tolist() == ["none", "noise", "maskaq", "maskaq"]
    assert table["value"].tolist() == pytest.approx([90, 60, 88, 88])
    assert set(table["n"]) == {500}
    figure = sound(accuracy.sources(runs()))
    drawn = {trace.name: list(zip(trace.y, trace.x, strict=True)) for trace in figure.data}
    assert drawn["float32"] == [("P", pytest.approx(90))]
    assert drawn["W4A4"] == [
        ("Q from noise", pytest.approx(60)),
        ("Q from maskaq", pytest.approx(88)),
    ]
    assert len({trace.marker.symbol for trace in figure.data}) == 3
    assert list(figure.data[1].error_x.arrayminus) == pytest.approx([3, 3])
    assert figure.layout.xaxis.range == (50, 101)
    assert "500 images" in figure.layout.title.text


def test_back_ends_are_named_where_they_differ():
    other = replace(runs()[1], spec=replace(runs()[1].spec, fit=FitOptions(backend="mse")))
    figure = accuracy.sources([runs()[1], other]).figure
    assert figure.data[1].y.tolist() == ["Q from maskaq, reconstruct", "Q from maskaq, mse"]


def test_the_sentence_ranks_the_sources():
    alt = accuracy.sources(runs()).alt
    assert alt.startswith("P is right on 90.0 %")
    assert alt.index("maskaq at W4A4 88.0 %") < alt.index("noise at W4A4 60.0 %")
    assert accuracy.sources([]).alt == "No run to show."
