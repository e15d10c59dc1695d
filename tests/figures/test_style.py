import numpy as np
import plotly.graph_objects as go
import pytest

from maskaq.figures import style
from maskaq.figures.style import marker_style

ENOUGH = 4.5  # contrast ratio of text, WCAG 2.2 level AA


def test_no_two_series_look_the_same():
    styles = {tuple(marker_style(number).values()) for number in range(49)}
    assert len(styles) == 49


@pytest.mark.parametrize("scale", [style.SEQUENTIAL, style.DIVERGING])
def test_every_label_of_a_heat_map_can_be_read(scale):
    columns = list(range(201))
    cells = [("row", column, float(column), f"{column}") for column in columns]
    figure = go.Figure(style.labelled_heatmap(["row"], columns, cells, "%", colorscale=scale))
    style.letter_cells(figure)
    heat, *texts = figure.data
    ground = dict(zip(columns, style.cell_colours(heat)[0], strict=True))
    written = {x: text.textfont.color for text in texts for x in text.x}
    assert set(written) == set(columns)
    assert set(written.values()) == {"#000000", "#ffffff"}
    assert min(style.contrast(ink, ground[x]) for x, ink in written.items()) >= ENOUGH
    assert heat.texttemplate == ""  # else plotly writes them too, in a colour of its own
    for text in texts:  # a click on one cell does not make the labels of the others fade
        assert text.unselected.textfont.color == text.textfont.color


def test_a_cell_has_the_colour_that_its_scale_gives_it():
    heat = go.Heatmap(z=np.array([[0.0, 5.0, 10.0, np.nan]]), colorscale=["#000000", "#ffffff"])
    assert style.cell_colours(heat).tolist() == [
        ["rgb(0, 0, 0)", "rgb(128, 128, 128)", "rgb(255, 255, 255)", ""]
    ]
    heat.update(zmin=0, zmax=20)
    assert style.cell_colours(heat)[0, 2] == "rgb(128, 128, 128)"


def test_a_label_without_a_value_has_the_colour_of_the_page():
    cells = [("row", "a", 1.0, "1"), ("row", "b", np.nan, "exact")]
    figure = go.Figure(style.labelled_heatmap(["row"], ["a", "b"], cells, "%"))
    style.letter_cells(figure)
    (note,) = figure.layout.annotations
    assert (note.x, note.y, note.text, note.font.color) == ("b", "row", "exact", None)
