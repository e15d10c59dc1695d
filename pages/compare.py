"""Compare: runs side by side, and what the papers published."""

import streamlit as st

from maskaq.figures import compare
from maskaq.reports.tables import settings
from maskaq.ui import (
    diagnosis,
    measured,
    papers,
    results,
    router,
    show,
    sweeps,
)

choice = router.enter()


def tables() -> None:
    """Whole tables: our own, then those of the papers."""
    measured.section(choice.bits)
    papers.tables()


st.title("Compare")
st.markdown(
    "Runs side by side: what they reach, what they cost, and what their images look like. Further "
    "down stand every source with every back-end as measured here, and the numbers of the papers, "
    "which were measured on other images and models."
)
runs = sweeps.wanted(choice, key="compare")
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
results.side_by_side(runs, names)

st.header("What differs")
told = dict(zip(names, map(settings, runs), strict=True))
table = results.differing(told)
if len(runs) == 1 or table.empty:
    st.info("Choose at least two runs with different settings.")
else:
    show.frame(
        table,
        alt=f"{len(table)} settings differ between the runs.",
        key="differs",
        name="compare-settings",
    )

diagnosis.section(runs, names)
tables()
