"""How the pages show things: a figure with its table and downloads, a number with its interval, a
formula with its source, and where a result comes from.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import pandas as pd
import streamlit as st

from maskaq.formulas import FORMULAS
from maskaq.ui.state import stored_runs

if TYPE_CHECKING:
    import plotly.graph_objects as go

    from maskaq.results.store import Stored

PICTURE = "picture"  # in the session: the file format of downloaded figures
_ROWS = 1_000  # rows drawn of a table; the download has all
_SCALE = 2  # pixels of a downloaded PNG for each on the screen, sharp enough for print


def sidebar() -> None:
    """In which format figures are saved; the button for it is in each figure's own corner."""
    st.segmented_control(
        "Save figures as",
        ["png", "svg"],
        default="png",
        required=True,
        key=PICTURE,
        help="For the camera button that appears in the corner of a figure. SVG stays sharp at "
        "any size.",
    )


def figure(
    fig: go.Figure,
    table: pd.DataFrame,
    *,
    alt: str,
    key: str,
    name: str,
    note: str = "",
) -> None:
    """A chart, a note below it, and the table behind it, closed, with its download.

    Args:
        table: the numbers that are drawn.
        alt: what the chart shows, in one sentence, for those who cannot see it.
        key: unique on the page.
        name: of the downloaded files, without ending.
        note: how to read it; Markdown.
    """
    st.plotly_chart(
        fig,
        width="stretch",
        key=key,
        alt=alt,
        config={
            "displaylogo": False,
            "toImageButtonOptions": {
                "format": st.session_state.get(PICTURE) or "png",
                "filename": f"maskaq-{name}",
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
    if below.open:  # a closed expander does no work
        with below:
            frame(table, alt=f"The numbers behind: {alt}", key=f"{key}_rows", name=name)


def frame(
    table: pd.DataFrame,
    *,
    alt: str,
    key: str,
    name: str,
    columns: dict[str, Any] | None = None,
) -> None:
    """A table with its download as CSV. columns: `column_config` of `st.dataframe`."""
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
    """One number in a box with its 95 % interval and sample size.

    With the unit % the values are shares in 0..1. Without an interval, n says over how many it was
    taken; a number that was simply counted has neither.
    """
    factor = 100 if unit == "%" else 1
    gap = f" {unit}" if unit else ""

    def say(x: float) -> str:
        return f"{factor * x:,.{digits}f}"

    parts = []
    if low is not None and high is not None:
        parts.append(f"95 % interval {say(low)} to {say(high)}{gap}")
    if n is not None:
        parts.append(f"n = {n:,}")
    with st.container(border=True):
        st.caption(f"**{label}**", help=help or None)  # wraps, where a metric's own is cut off
        st.metric(label, f"{say(value)}{gap}", label_visibility="collapsed")
        if parts:
            st.caption(", ".join(parts))


def formula(name: str) -> None:
    """A formula of the papers with what its letters mean and where it stands.

    Raises:
        OptionError: no formula has this name.
    """
    found = FORMULAS[name]
    with st.container(border=True):
        st.latex(found.latex)
        st.caption(f"{found.meaning}\n\n*{found.source}*")


def where_from(run: Stored) -> str:
    """Whether a run ships with maskaq or was computed here, and when."""
    when = f"{datetime.fromisoformat(run.result.created):%d %B %Y, %H:%M UTC}"
    if stored_runs.shipped(run):
        return f"Stored example, shipped with maskaq and computed on {when}."
    return f"Computed on this machine on {when}."


def simulated() -> None:
    """What an accuracy of Q does not say; belongs on every page that shows one."""
    st.caption(
        "Simulated arithmetic: Q computes with rounded numbers that are stored as ordinary floats. "
        "Its accuracy is that of a low-bit model; nothing here says that it is smaller or faster."
    )


def demo() -> None:
    """Why the live controls of a page are off, on a server that shows stored results only."""
    if stored_runs.readonly():
        st.info(
            "This demo shows stored results, so what computes is switched off. To run your own: "
            "`pip install -r requirements.txt`, then `streamlit run app.py`.",
            icon=":material/lock:",
        )
