"""The measured accuracy of every sample source with every back-end."""

from datetime import datetime

import streamlit as st

from maskaq.figures.results import accuracy_table as figures
from maskaq.precomputed import accuracy_table
from maskaq.ui.widgets import show

_NOTE = (
    "Below each accuracy: the lowest and the highest value over the seeds (with one seed, its 95 % "
    "interval). In the table, *low* and *high* are the ends of the 95 % interval of the mean: "
    "Student's over seeds, all evaluated on the same images. Each source makes its samples once "
    "per seed, and all back-ends use them. `reconstruct` is shown without the finetuning of all of "
    "Q that it does last at 3 bits or fewer (`fit.reconstruction.tune=0`)."
)


def section(bits: str) -> None:
    """The stored table of one model at one number format. bits: the initial choice."""
    st.header("Measured here: every source with every back-end")
    stored = show.attempt(accuracy_table.read, accuracy_table.FILE)
    if stored is None:
        return
    if not stored:
        st.info("This table is not stored yet. The command that makes it takes hours:")
        st.code(accuracy_table.COMMAND, language="bash")
        return
    model = st.selectbox("Model", list(stored), key="measured_model")
    measured = stored[model]
    table = accuracy_table.over_seeds(measured.table)
    formats = list(dict.fromkeys(table["bits"]))
    chosen = st.segmented_control(
        "Bits",
        formats,
        default=bits if bits in formats else formats[0],
        required=True,
        key=f"measured_bits_{model}",
    )
    chart = figures.heatmap(figures.frame(table, chosen), chosen)
    chart = chart.with_suffix(f"{model}-{chosen}")
    show.chart(chart, key="crossed", note=f"{chart.alt} {_NOTE}")
    when = f"{datetime.fromisoformat(measured.created):%d %B %Y}"
    st.caption(f"Measured with {model} on {when}, {measured.device}, by `{measured.command}`.")
    show.simulated()
