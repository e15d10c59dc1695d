import pandas as pd
import plotly.graph_objects as go

from maskaq.figures.chart import Chart


def test_a_suffix_changes_only_the_name():
    chart = Chart(go.Figure(), pd.DataFrame(), "A line rises.", "line")
    named = chart.with_suffix("W4A4")
    assert named.name == "line-W4A4"
    assert named.table is chart.table
    assert named.figure is chart.figure
    assert named.alt == chart.alt
    assert chart.name == "line"
