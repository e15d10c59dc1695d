"""Ablation: vary two settings together and see which one matters."""

import streamlit as st

from maskaq.ui.sections import ablation_grid, run_results
from maskaq.ui.shell import router
from maskaq.ui.widgets import run_form, show

choice = router.enter()

st.title("Ablation")
st.markdown(
    "Which part of a method decides how good the quantized model **Q** is, compared with the "
    "full-precision model **P** from which it is made? Vary two settings, keep all others fixed, "
    "and run every combination. Stored and earlier runs appear in the grid below at once; the "
    "others appear as they finish."
)
show.demo()
st.subheader("What varies")
first, second = ablation_grid.axes()
with st.expander("What stays the same", icon=":material/lock:"):
    synthesis = run_form.synthesis(choice)
    fit = run_form.fitting(choice, quick=True)
    st.caption("Bit widths, mask ratio and seed are set in the sidebar, unless they vary above.")
base = run_form.spec(choice, synthesis, fit)

cells = ablation_grid.cells(base, first, second)
ablation_grid.panel(cells)

st.header("The grid")
ablation_grid.watch(cells, first[0], second[0])
show.simulated()

run = ablation_grid.opened(cells)
if run is not None:
    st.header("One cell")
    run_results.headline(run)
    run_results.metrics(run)
    run_results.repeat(run)
