"""The measured accuracy of every sample source with every back-end."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import streamlit as st

from maskaq.figures.results import accuracy_table as figures
from maskaq.models import menu
from maskaq.precomputed import accuracy_table
from maskaq.results import table_verdicts
from maskaq.ui.widgets import bit_pairs, show

if TYPE_CHECKING:
    from maskaq.ui.state.selection import Choice

_NOTE = (
    "Each cell: {} of the quantized model **Q**, averaged over the seeds, and its 95 % "
    "interval (Student's over seeds, on the same images; with one seed over images). "
    "**Bold**: the best source of its column, and those whose intervals overlap with its own. "
    "Arithmetic is simulated."
)
_UNTUNED = " `reconstruct` is shown without its last finetuning at 3 bits or fewer."


def section(choice: Choice) -> None:
    """The stored table of one model at the chosen bits."""
    stored = show.attempt(accuracy_table.read, accuracy_table.FILE)
    if stored is None:
        return
    if not stored:
        st.info("This table is not stored yet. The command that makes it takes hours:")
        st.code(accuracy_table.COMMAND, language="bash")
        return
    names = list(stored)
    model = names[0]
    if len(names) > 1:  # at first the one in the sidebar of other tabs
        first = names.index(choice.model) if choice.model in names else 0
        model = st.selectbox("Model", names, first, key="measured_model")
    measured = stored[model]
    cells = measured.table[measured.table["bits"] == choice.bits]
    if cells.empty:
        stored_bits = measured.table["bits"]
        bit_pairs.missing(choice, stored_bits, key="measured", what="No measurement is")
        return
    table = figures.frame(accuracy_table.over_seeds(cells), choice.bits)
    show.verdict(f"At {choice.bits}: {table_verdicts.of_measured(table)}")
    metric = menu.task_info(model).metrics[0]
    chart = figures.heatmap(table, choice.bits, metric).with_suffix(f"{model}-{choice.bits}")
    untuned = _UNTUNED if "fit.reconstruction.tune=0" in measured.command else ""
    when = f"{datetime.fromisoformat(measured.created):%d %B %Y}"
    show.chart(
        chart,
        key="crossed",
        note=f"{_NOTE.format(metric)}{untuned} Measured with {model} on {when}, "
        f"{measured.device}, by `{measured.command}`.",
    )
