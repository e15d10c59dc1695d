"""Compare: runs side by side, and the published results."""

import streamlit as st

from maskaq.figures.results import compare
from maskaq.reports.tables import settings
from maskaq.ui.sections import accuracy_table, activation_shift, published_table, run_results
from maskaq.ui.shell import router
from maskaq.ui.state import url
from maskaq.ui.widgets import run_picker, show

choice = router.enter()


def tables() -> None:
    """The complete tables: measured here, then published in papers."""
    accuracy_table.section(choice.bits)
    published_table.tables()


st.title("Compare")
st.markdown(
    "Runs side by side: their accuracy, their cost, and their images. **P** is the full-precision "
    "model, **Q** the quantized model. Further down are two tables: every source with every "
    "back-end as measured here, and the numbers published in papers, which were measured on other "
    "images and models."
)
runs = run_picker.pick(choice, key="compare")
if not runs:
    tables()
    url.stop()
results = [run.result for run in runs]
names = compare.names(results)

st.header("Accuracy and agreement")
show.chart(
    compare.runs(results),
    key="compare",
    note="*Agreement* is the share of images for which P and Q predict the same class, right or "
    "wrong. Where two intervals overlap widely, the difference may be chance.",
)
show.simulated()

st.header("Cost")
show.chart(
    compare.cost(results),
    key="cost",
    note="Seconds of each stage, on the machine named in the table.",
)

st.header("Images")
run_results.side_by_side(runs, names)

st.header("What differs")
table = run_results.differing(dict(zip(names, map(settings, runs), strict=True)))
if len(runs) == 1 or table.empty:
    st.info("Choose at least two runs with different settings.")
else:
    show.frame(
        table,
        alt=f"{len(table)} settings differ between the runs.",
        key="differs",
        name="compare-settings",
    )

activation_shift.section(runs, names)
tables()
