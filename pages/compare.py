"""Compare: runs side by side, and what the papers published."""

import streamlit as st

from maskaq.figures.results import compare
from maskaq.reports.tables import settings
from maskaq.ui.sections import accuracy_table, activation_shift, published_table, run_results
from maskaq.ui.shell import router
from maskaq.ui.widgets import run_picker, show

choice = router.enter()


def tables() -> None:
    """Whole tables: our own, then those of the papers."""
    accuracy_table.section(choice.bits)
    published_table.tables()


st.title("Compare")
st.markdown(
    "Runs side by side: what they reach, what they cost, and what their images look like. Further "
    "down stand every source with every back-end as measured here, and the numbers of the papers, "
    "which were measured on other images and models."
)
runs = run_picker.wanted(choice, key="compare")
if not runs:
    tables()
    router.stop()
found = [run.result for run in runs]
names = compare.names(found)

st.header("Accuracy and agreement")
table = compare.frame(found)
show.figure(
    compare.runs(table),
    table,
    alt=compare.describe(table),
    key="compare",
    name="compare-accuracy",
    note="*Same answer* is the share of images for which P and Q name the same class, right or "
    "wrong. Where two whiskers overlap widely, the difference may be chance.",
)
show.simulated()

st.header("Cost")
table = compare.cost_frame(found)
show.figure(
    compare.cost(table),
    table,
    alt=compare.describe_cost(table),
    key="cost",
    name="compare-cost",
    note="Seconds of each stage, on the machine that is named in the table.",
)

st.header("Images")
run_results.side_by_side(runs, names)

st.header("What differs")
told = dict(zip(names, map(settings, runs), strict=True))
table = run_results.differing(told)
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
