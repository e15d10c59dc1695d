"""Building blocks of pages: charts with table and download, numbers with intervals, formulas with
sources, and the origin of a result."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import pandas as pd
import streamlit as st

from maskaq.errors import MaskaqError
from maskaq.formulas import FORMULAS
from maskaq.jobs import service
from maskaq.precomputed import deployment
from maskaq.ui.state import stored_runs

if TYPE_CHECKING:
    from maskaq.figures.chart import Chart
    from maskaq.results.store import Stored

T = TypeVar("T")
PICTURE = "picture"  # session key: the file format of downloaded figures
_BEHIND = "_behind"  # in the session: the charts drawn in this rerun, by key
_ROWS = 1_000  # rows shown of a table; the download has all of them
_MARKDOWN, _ESCAPED = re.compile(r"([\\`*_\[\]<>$~:#|])"), r"\\\1"  # in names of files
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


def begin() -> None:
    """Begin a rerun. The router calls this before the page draws its figures."""
    st.session_state[_BEHIND] = {}


def main_button() -> Literal["primary", "secondary"]:
    """The `type` of a page's main button.

    Streamlit writes white on the primary colour, which is hard to read in the dark theme: there the
    colour has to be light enough to be read on a dark page.
    """
    return "secondary" if st.context.theme.type == "dark" else "primary"


def verdict(text: str) -> None:
    """The sentence that says what the figure below shows, computed from its numbers. Markdown."""
    st.markdown(f"##### {text}")


def chart(
    chart: Chart, *, key: str, note: str = "", pick: Callable[[Any], None] | None = None
) -> None:
    """A figure with a note below it. `details` shows its table at the end of the page.

    Args:
        key: unique on the page.
        note: how to read the figure; Markdown.
        pick: called before the next rerun with the value of a clicked target, see
            `maskaq.figures.style.targets`.
    """
    st.plotly_chart(
        chart.figure,
        width="stretch",
        key=key,
        alt=chart.alt,
        on_select="ignore" if pick is None else partial(_picked, key, pick),
        selection_mode="points",
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
    st.session_state[_BEHIND][key] = chart  # once, however often a fragment draws it


def _picked(key: str, pick: Callable[[Any], None]) -> None:
    """Pass on what a click selected. A client may send anything, so `pick` checks the value."""
    points = st.session_state[key]["selection"]["points"]
    for point in points[:1]:
        value = point.get("customdata")
        pick(value[0] if isinstance(value, list) and value else value)


def into(key: str, options: Collection[object]) -> Callable[[Any], None]:
    """A `pick` that sets the control with this key, if the value is one of its options."""

    def pick(value: Any) -> None:
        if value in options:
            st.session_state[key] = value

    return pick


def details(*formulas: str) -> None:
    """One closed expander at the end of a page: formulas, and the numbers behind every figure.

    Args:
        formulas: names, see `formula`.
    """
    below = st.expander(
        "Details: formulas and the numbers behind",
        icon=":material/table:",
        key="details",
        on_change="rerun",
    )
    if not below.open:  # fill it only when it is open
        return
    with below:
        for name in formulas:
            formula(name)
        for key, one in st.session_state[_BEHIND].items():
            title, *_ = one.figure.layout.title.text.split("<br>")
            st.markdown(f"**The numbers behind: {title}**")
            frame(
                one.table,
                alt=f"The numbers behind: {one.alt}",
                key=f"{key}_rows",
                name=one.name,
            )


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


def notes(sentences: Iterable[str]) -> None:
    """What was decided about a model and its images, or left out; nothing without a sentence."""
    lines = [f"- {plain(sentence)}" for sentence in sentences]
    if lines:
        st.info("\n".join(lines), icon=":material/info:")


def plain(text: str) -> str:
    """Escape text, such as a path, so that Markdown shows it unchanged."""
    return _MARKDOWN.sub(_ESCAPED, text)


def simulated(model: str) -> None:
    """A note on simulated arithmetic, for every page that shows an accuracy of Q."""
    measured = attempt(deployment.sentence, [model])
    st.caption(
        "Simulated arithmetic: the numbers of Q are rounded but stored as ordinary floats. The "
        "accuracy is that of a low-bit model; nothing here shows that it is smaller or faster. "
        + (measured or "")
    )


def demo() -> None:
    """Explain why controls are disabled on a server that only shows stored results."""
    if service.readonly():
        st.info(
            "This demo shows stored results only; everything that computes is switched off. To run "
            "your own: `pip install -r requirements.txt`, then `streamlit run app.py`.",
            icon=":material/lock:",
        )
