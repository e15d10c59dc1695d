"""Building blocks of pages: charts with table and download, numbers with intervals, formulas with
sources, and the origin of a result."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

import pandas as pd
import streamlit as st

from maskaq.errors import MaskaqError
from maskaq.formulas import FORMULAS
from maskaq.jobs import service
from maskaq.ui.state import stored_runs

if TYPE_CHECKING:
    from maskaq.figures.chart import Chart
    from maskaq.results.store import Stored

T = TypeVar("T")
PICTURE = "picture"  # session key: the file format of downloaded figures
_ROWS = 1_000  # rows shown of a table; the download has all of them
_SCALE = 2  # pixels of a downloaded PNG per pixel on the screen, sharp enough for print


def sidebar() -> None:
    """The file format of saved figures; each figure has its own button to save it."""
    st.segmented_control(
        "Save figures as",
        ["png", "svg"],
        default="png",
        required=True,
        key=PICTURE,
        help="For the camera button that appears in the corner of a figure. SVG stays sharp at "
        "any size.",
    )


def chart(chart: Chart, *, key: str, note: str = "") -> None:
    """A figure, a note below it, and a closed expander with its table and download.

    Args:
        key: unique on the page.
        note: how to read the figure; Markdown.
    """
    st.plotly_chart(
        chart.figure,
        width="stretch",
        key=key,
        alt=chart.alt,
        config={
            "displaylogo": False,
            "toImageButtonOptions": {
                "format": st.session_state.get(PICTURE) or "png",
                "filename": f"maskaq-{chart.name}",
                "scale": _SCALE,
            },
        },
    )
    if note:
        st.caption(note)
    below = st.expander(
        "The numbers behind this figure",
        icon=":material/table:",
        key=f"{key}_table",
        on_change="rerun",
    )
    if below.open:  # fill it only when it is open
        with below:
            alt = f"The numbers behind: {chart.alt}"
            frame(chart.table, alt=alt, key=f"{key}_rows", name=chart.name)


def frame(
    table: pd.DataFrame,
    *,
    alt: str,
    key: str,
    name: str,
    columns: dict[str, Any] | None = None,
) -> None:
    """A table with a CSV download.

    Args:
        alt: what the table shows, in one sentence.
        key: unique on the page.
        name: of the downloaded file, without prefix and ending.
        columns: `column_config` of `st.dataframe`.
    """
    st.dataframe(
        table.head(_ROWS),
        hide_index=True,
        alt=alt,
        key=key,
        width="stretch",
        column_config=columns,
    )
    if len(table) > _ROWS:
        st.caption(f"Showing {_ROWS:,} of {len(table):,} rows. The download has all of them.")
    st.download_button(
        "Download as CSV",
        lambda: table.to_csv(index=False),
        file_name=f"maskaq-{name}.csv",
        mime="text/csv",
        icon=":material/download:",
        key=f"{key}_csv",
        on_click="ignore",
    )


def number(
    label: str,
    value: float,
    low: float | None = None,
    high: float | None = None,
    n: int | None = None,
    help: str = "",
    *,
    unit: str = "%",
    digits: int = 1,
) -> None:
    """One number in a box, with its 95 % interval and its sample size where given.

    With the unit %, value, low and high are shares in 0..1.
    """
    factor = 100 if unit == "%" else 1
    suffix = f" {unit}" if unit else ""

    def text(x: float) -> str:
        return f"{factor * x:,.{digits}f}"

    parts = []
    if low is not None and high is not None:
        parts.append(f"95 % interval {text(low)} to {text(high)}{suffix}")
    if n is not None:
        parts.append(f"n = {n:,}")
    with st.container(border=True):
        st.caption(f"**{label}**", help=help or None)  # wraps, unlike the label of st.metric
        st.metric(label, f"{text(value)}{suffix}", label_visibility="collapsed")
        if parts:
            st.caption(", ".join(parts))


def attempt(do: Callable[..., T], *args: Any) -> T | None:
    """The result of a function. An error of maskaq is shown, and the result is None."""
    try:
        return do(*args)
    except MaskaqError as error:
        st.error(str(error), icon=":material/error:")
        return None


def formula(name: str) -> None:
    """A formula with the meaning of its symbols and its source.

    Raises:
        OptionError: no formula has this name.
    """
    item = FORMULAS[name]
    with st.container(border=True):
        st.latex(item.latex)
        st.caption(f"{item.meaning}\n\n*{item.source}*")


def where_from(run: Stored) -> str:
    """Whether a run ships with maskaq or was computed on this machine, and when."""
    when = f"{datetime.fromisoformat(run.result.created):%d %B %Y, %H:%M UTC}"
    if stored_runs.shipped(run):
        return f"Stored example, shipped with maskaq and computed on {when}."
    return f"Computed on this machine on {when}."


def simulated() -> None:
    """A note on simulated arithmetic, for every page that shows an accuracy of Q."""
    st.caption(
        "Simulated arithmetic: the numbers of Q are rounded but stored as ordinary floats. The "
        "accuracy is that of a low-bit model; nothing here shows that it is smaller or faster."
    )


def demo() -> None:
    """Explain why controls are disabled on a server that only shows stored results."""
    if service.readonly():
        st.info(
            "This demo shows stored results only; everything that computes is switched off. To run "
            "your own: `pip install -r requirements.txt`, then `streamlit run app.py`.",
            icon=":material/lock:",
        )
