"""Report: download runs as one file that opens without a network."""

from dataclasses import replace
from datetime import UTC, datetime

import streamlit as st

from maskaq._version import __version__
from maskaq.figures.results import compare
from maskaq.reports.html import html
from maskaq.reports.tables import csv_zip, settings_json, tables
from maskaq.ui.shell import router
from maskaq.ui.state import url
from maskaq.ui.widgets import run_picker, show

choice = router.enter()

st.title("Report")
st.markdown(
    "Download one run, or several runs to compare. The report is **one HTML file** with figures, "
    "settings, the command that repeats each run, versions and limitations. It opens in any "
    "browser and needs no network."
)
runs = run_picker.pick(choice, key="report", of_one_source=True)
if not runs:
    url.stop()
name = "maskaq-report" if len(runs) > 1 else f"maskaq-{runs[0].folder.name}"


def report() -> str:
    """The HTML file, made when its button is pressed."""
    now = f"{datetime.now(UTC):%d %B %Y, %H:%M UTC}"
    return html(runs, f"Made on {now} by the app of maskaq {__version__}.")


st.header("Download")
for place, label, data, ending, mime, about in zip(
    st.columns(3, gap="large"),
    ("Report as HTML", "Settings as JSON", "Tables as CSV"),
    (report, lambda: settings_json(runs), lambda: csv_zip(runs)),
    ("html", "json", "zip"),
    ("text/html", "application/json", "application/zip"),
    (
        "Some megabytes, most of it the script that draws the figures.",
        "Every setting of each run, for scripts.",
        "All tables behind the figures, one CSV file each, in a zip archive.",
    ),
    strict=True,
):
    place.download_button(
        label,
        data,
        file_name=f"{name}.{ending}",
        mime=mime,
        icon=":material/download:",
        type="primary" if ending == "html" else "secondary",
        key=f"report_{ending}",
        on_click="ignore",
    )
    place.caption(about)

st.header("What is inside")
results = [run.result for run in runs]
show.chart(replace(compare.runs(results), name="report-accuracy"), key="inside")
show.simulated()
origins = zip(compare.names(results), map(show.where_from, runs), strict=True)
st.markdown("\n".join(f"- **{run}**: {origin}" for run, origin in origins))
contents = tables(runs)
with st.expander(f"The {len(contents)} tables of the archive", icon=":material/folder_zip:"):
    picked = st.selectbox("Table", list(contents), key="report_table")
    show.frame(contents[picked], alt=f"The table {picked}.", key="inside_table", name="report")
with st.expander("The settings", icon=":material/data_object:"):
    st.code(settings_json(runs), language="json")
