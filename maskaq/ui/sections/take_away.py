"""One page about runs on the screen, as in the HTML report, and the files that hold them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import streamlit as st

from maskaq._version import __version__
from maskaq.figures.results import compare
from maskaq.reports import summary
from maskaq.reports.html import html
from maskaq.reports.tables import csv_zip, settings_json, tables
from maskaq.ui.widgets import bit_pairs, show, spotlight

if TYPE_CHECKING:
    from maskaq.results.store import Stored
    from maskaq.ui.state.selection import Choice


def section(choice: Choice, runs: Sequence[Stored]) -> None:
    """The summary, the figure and the downloads; a hint without runs."""
    if not runs:
        bit_pairs.make(choice)
        return
    page = summary.of_runs(runs)
    _downloads(runs)
    show.verdict(page.title)
    words, picture = st.columns(2, gap="large")
    with words:
        st.markdown("\n\n".join(f"**{heading}.** {text}" for heading, text in page.parts()))
    with picture:
        chart = compare.runs([run.result for run in runs])
        show.chart(
            replace(chart, name="report-accuracy"),
            key="inside",
            note="**P** is the full-precision model, **Q** the quantized one.",
        )
    left, right = st.columns(2, gap="large")
    left.markdown("**Do not claim**\n" + "\n".join(f"- {text}" for text in page.not_claimed))
    with left:
        show.notes(page.notes)
    with right:
        st.markdown("**How to repeat**")
        if page.repeat:
            st.code("\n".join(page.repeat), language="bash", wrap_lines=True)
        else:
            st.markdown(f"The settings below have the command of each of the {len(runs)} runs.")
        st.caption("\n\n".join(dict.fromkeys(map(show.where_from, runs))))
    _contents(runs)


def _downloads(runs: Sequence[Stored]) -> None:
    name = "maskaq-report" if len(runs) > 1 else f"maskaq-{runs[0].folder.name}"

    def report() -> str:
        """The HTML file, made when its button is pressed."""
        now = f"{datetime.now(UTC):%d %B %Y, %H:%M UTC}"
        return html(runs, f"Made on {now} by the app of maskaq {__version__}.")

    files = (
        (
            "Report as HTML",
            report,
            "html",
            "text/html",
            "This page with a technical appendix, in one file that needs no network. It prints on "
            "one sheet of A4. Some megabytes, most of it the script that draws the figures.",
        ),
        (
            "Settings as JSON",
            lambda: settings_json(runs),
            "json",
            "application/json",
            "Every setting of each run, for scripts.",
        ),
        (
            "Tables as CSV",
            lambda: csv_zip(runs),
            "zip",
            "application/zip",
            "All tables behind the figures, one CSV file each, in a zip archive.",
        ),
    )
    with spotlight.on("report"):
        place = st.container(horizontal=True)
    for label, data, ending, mime, about in files:
        place.download_button(
            label,
            data,
            file_name=f"{name}.{ending}",
            mime=mime,
            icon=":material/download:",
            type=show.main_button() if ending == "html" else "secondary",
            key=f"report_{ending}",
            help=about,
            on_click="ignore",
        )


def _contents(runs: Sequence[Stored]) -> None:
    """What the two archives contain, filled when it is opened."""
    files = st.expander(
        "Tables and settings", icon=":material/folder_zip:", key="contents", on_change="rerun"
    )
    if not files.open:
        return
    with files:
        contents = tables(runs)
        picked = st.selectbox("Table", list(contents), key="report_table")
        show.frame(contents[picked], alt=f"The table {picked}.", key="inside_table", name="report")
        st.code(settings_json(runs), language="json")
