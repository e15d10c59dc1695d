"""Accuracies published in papers, never in one table with runs of this library."""

import streamlit as st

from maskaq.precomputed import published
from maskaq.ui.widgets import show

_COLUMNS = {
    "bits": "Bits",
    "method": "Method",
    "data": "Images used",
    "tag": st.column_config.TextColumn("Reported by", help="Who reported the number"),
    "note": "Note",
}
_WIDEST = 0.44  # points: half a 95 % interval at 50 % of 50 000 images


def tables() -> None:
    """One published table, chosen by paper, with its source and its limits."""
    st.header("Published in papers")
    st.info(
        "None of these numbers was measured by maskaq. They are copied from papers, which use "
        "other models, ImageNet's 50,000 validation images instead of scenes, and other "
        "calibration images. Compare them with each other, not with the runs above.",
        icon=":material/menu_book:",
    )
    names = {f"{paper}: {table}": (paper, table) for paper, table in published.tables()}
    everything = published.frame()
    paper, table = names[st.selectbox("Published table", list(names), key="published")]
    rows = everything[(everything["paper"] == paper) & (everything["table"] == table)]
    kinds = list(dict.fromkeys(rows["bits"]))
    bits = st.pills(
        "Bits", kinds, selection_mode="multi", default=kinds, key=f"published_bits_{paper}_{table}"
    )
    shown = rows[rows["bits"].isin(bits)]
    if shown.empty:
        st.info("Choose at least one number format.")
        return
    wide = shown.pivot_table(
        index=["bits", "method", "data", "tag", "note"],
        columns="model",
        values="top1",
        sort=False,
    )
    models = list(dict.fromkeys(shown["model"]))
    about = ["data", "tag", "note"]
    wide = wide[models].reset_index()[["bits", "method", *models, *about]]
    numbers = {
        model: st.column_config.NumberColumn(model, format="%.2f", width=62) for model in models
    }
    show.frame(
        wide,
        alt=f"Published top-1 accuracies in %, {table} of {paper}.",
        key="published_rows",
        name="published",
        columns={name: _COLUMNS[name] for name in ("bits", "method", *about)} | numbers,
    )
    address = published.addresses()[paper]
    st.caption(
        f"**Published**, top-1 in %. Source: [{paper}]({address}), {table}. The papers give no "
        f"intervals; with 50,000 test images a 95 % interval is up to {_WIDEST:.1f} points wide on "
        f"either side. Showing {len(shown)} of {len(everything)} published numbers."
    )
