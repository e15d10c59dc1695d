"""Accuracies published in papers, never in one table with runs of this library."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from maskaq.figures.results import published as figures
from maskaq.precomputed import published
from maskaq.results import table_verdicts
from maskaq.ui.widgets import bit_pairs, show

if TYPE_CHECKING:
    from maskaq.ui.state.selection import Choice

_FULL = "float32"


def section(choice: Choice) -> None:
    """One published table at the chosen bits, with its source and its limits."""
    st.caption(
        "**None of these numbers was measured by maskaq.** They are copied from papers, which use "
        "other models and ImageNet's 50,000 validation images instead of scenes: compare them "
        "with each other, not with the other tabs."
    )
    names = {f"{paper}: {table}": (paper, table) for paper, table in published.tables()}
    everything = published.frame()
    paper, table = names[st.selectbox("Published table", list(names), key="published")]
    rows = everything[(everything["paper"] == paper) & (everything["table"] == table)]
    formats = [bits for bits in dict.fromkeys(rows["bits"]) if bits != _FULL]
    if choice.bits not in formats:
        bit_pairs.missing(choice, formats, key="published", what="No published number is")
        return
    shown = rows[rows["bits"] == choice.bits]
    show.verdict(f"At {choice.bits}: {table_verdicts.of_published(shown)}")
    chart = figures.heatmap(shown, choice.bits)
    show.chart(
        chart,
        key="published_map",
        note=f"{_full(rows)}The papers give no intervals. {_reported(shown)} Showing {len(shown)} "
        f"of {len(everything)} published numbers.",
    )
    st.markdown(f"Source: [{paper}]({published.addresses()[paper]}), {table}.")


def _full(rows: pd.DataFrame) -> str:
    """The accuracies in full precision, if the table prints them."""
    full = rows[rows["bits"] == _FULL]
    if full.empty:
        return ""
    numbers = ", ".join(
        f"{model} {top1:.1f}" for model, top1 in zip(full["model"], full["top1"], strict=True)
    )
    return f"Full precision: {numbers} %. "


def _reported(rows: pd.DataFrame) -> str:
    """Who reported the numbers, and what differs from the other rows."""
    tags = " and ".join(dict.fromkeys(rows["tag"]))
    notes = rows[rows["note"] != ""].drop_duplicates("method")
    said = [f"{row.method}: {row.note}" for row in notes.itertuples()]
    return f"Reported by: {tags}." + (f" {'; '.join(said)}." if said else "")
