"""Every source with every back-end as measured by this library, beside what the papers print."""

from __future__ import annotations

from datetime import datetime

import streamlit as st

from maskaq.errors import RunError
from maskaq.figures.results import accuracy_table as figures
from maskaq.precomputed import accuracy_table
from maskaq.ui.widgets import show

_NOTE = (
    "Below each accuracy: the lowest and the highest over the seeds (with one seed, its 95 % "
    "interval). In the table, *low* and *high* are 95 % intervals of the mean: Student's over "
    "seeds, all judged on the same images. Samples of a source are drawn once per seed and reused "
    "by all back-ends. `reconstruct` stands here without the tuning through all of Q that ends it "
    "at 3 bits or fewer (`fit.reconstruction.tune=0`)."
)


def section(bits: str) -> None:
    """The stored table of one model at one number format. bits: where to begin."""
    st.header("Measured here: every source with every back-end")
    try:
        stored = accuracy_table.read(accuracy_table.FILE)
    except RunError as error:
        st.error(str(error), icon=":material/error:")
        return
    if not stored:
        st.info("This table is not stored yet; it takes hours. The command that makes it:")
        st.code(accuracy_table.COMMAND, language="bash")
        return
    model = st.selectbox("Model", list(stored), key="measured_model")
    found = stored[model]
    table = accuracy_table.over_seeds(found.table)
    formats = list(dict.fromkeys(table["bits"]))
    chosen = st.segmented_control(
        "Bits",
        formats,
        default=bits if bits in formats else formats[0],
        required=True,
        key=f"measured_bits_{model}",
    )
    rows = figures.frame(table, chosen)
    show.figure(
        figures.crossed(rows, chosen),
        rows,
        alt=figures.describe(rows),
        key="crossed",
        name=f"accuracy-{model}-{chosen}",
        note=f"{figures.describe(rows)} {_NOTE}",
    )
    when = f"{datetime.fromisoformat(found.created):%d %B %Y}"
    st.caption(f"Measured with {model} on {when}, {found.device}, by `{found.command}`.")
    show.simulated()
