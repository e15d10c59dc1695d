import json

import pytest
from streamlit.testing.v1 import AppTest

from maskaq.errors import OptionError
from maskaq.formulas import FORMULAS
from maskaq.ui.widgets import show


def page() -> None:
    import pandas as pd
    import plotly.graph_objects as go
    import streamlit as st

    from maskaq.figures.chart import Chart
    from maskaq.ui.widgets import show

    show.sidebar()
    show.begin()
    table = pd.DataFrame({"x": range(1200), "y": range(1200)})
    figure = go.Figure(go.Scatter(x=[1, 2], y=[1, 2]), {"title": "A line"})
    chart = Chart(figure, table, "It rises.", "a-line")
    show.chart(chart, key="line", note="Read it from left to right.")
    show.number("Top-1", 0.8765, 0.85, 0.9, 1000, "Share of right answers.")
    show.number("SQNR", 12.345, unit="dB", digits=2)
    show.simulated("scenes_vit")
    show.demo()
    show.verdict("It rises by **3**.")
    show.details("sqnr")
    st.text("end")


def formulas() -> None:
    from maskaq.formulas import FORMULAS
    from maskaq.ui.widgets import show

    for name in FORMULAS:
        show.formula(name)


def test_every_formula_is_shown_with_its_source():
    app = AppTest.from_function(formulas, default_timeout=60).run()
    assert not app.exception
    captions = [caption.value for caption in app.caption]
    assert len(app.latex) == len(FORMULAS) == len(captions)
    for name, caption in zip(FORMULAS, captions, strict=True):
        assert FORMULAS[name].source in caption


def test_an_unknown_formula_is_refused():
    with pytest.raises(OptionError, match="unknown formula 'x'"):
        show.formula("x")


@pytest.fixture
def app() -> AppTest:
    return AppTest.from_function(page, default_timeout=60).run()


def image_options(app: AppTest) -> dict[str, object]:
    return json.loads(app.get("plotly_chart")[0].proto.config)["toImageButtonOptions"]


def test_a_figure_has_alt_text_a_note_and_a_file_name(app):
    assert not app.exception
    proto = app.get("plotly_chart")[0].proto
    assert proto.alt == "It rises."
    assert image_options(app) == {"format": "png", "filename": "maskaq-a-line", "scale": 2}
    assert app.caption[0].value == "Read it from left to right."


def test_figures_are_saved_in_the_chosen_format(app):
    app.button_group(key="picture").set_value("svg").run()
    assert image_options(app)["format"] == "svg"


def test_the_numbers_behind_every_figure_are_built_when_the_details_are_opened(app):
    assert not app.dataframe
    assert not app.latex
    app.session_state["details"] = True
    app.run()
    assert not app.exception
    assert len(app.dataframe[0].value) == 1000
    assert any("Showing 1,000 of 1,200 rows" in caption.value for caption in app.caption)
    assert app.get("download_button")[0].proto.label == "Download as CSV"
    assert "**The numbers behind: A line**" in [one.value for one in app.markdown]
    assert len(app.latex) == 1


def test_a_verdict_is_a_heading(app):
    assert "##### It rises by **3**." in [one.value for one in app.markdown]


@pytest.mark.parametrize(
    "points, value",
    [([], None), ([{"customdata": ["W3A4"]}], "W3A4"), ([{"customdata": 5}], 5), ([{}], "none")],
)
def test_a_click_passes_on_the_value_of_its_target(monkeypatch, points, value):
    picked: list[object] = []
    monkeypatch.setattr(show.st, "session_state", {"line": {"selection": {"points": points}}})
    show._picked("line", picked.append)
    assert picked == ([] if value is None else [None] if value == "none" else [value])


def test_a_number_is_shown_with_its_interval_and_sample_size(app):
    assert [metric.value for metric in app.metric] == ["87.6 %", "12.35 dB"]
    captions = [caption.value for caption in app.caption]
    assert "95 % interval 85.0 to 90.0 %, n = 1,000" in captions
    assert any(caption.startswith("Simulated arithmetic") for caption in captions)


def test_a_demo_explains_disabled_controls(app, monkeypatch):
    assert not app.info
    monkeypatch.setenv("MASKAQ_READONLY", "1")
    assert "switched off" in app.run().info[0].value
