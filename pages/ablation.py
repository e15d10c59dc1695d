"""Ablation: change two settings at a time and see which one matters."""

import streamlit as st

from maskaq.ui.sections import ablation_grid, run_results
from maskaq.ui.shell import router
from maskaq.ui.widgets import run_form, show

choice = router.enter()

st.title("Ablation")
st.markdown(
    "Which part of a method does the work? Change two settings at a time, keep all others, and run "
    "every pair. Below, a small grid of such runs: what is stored or was run before is there at "
    "once, the rest fills in while it is computed."
)
show.demo()
st.subheader("What varies")
first, second = ablation_grid.axes()
with st.expander("What stays the same", icon=":material/lock:"):
    made = run_form.drawing(choice)
    fit = run_form.fitting(choice, quick=True)
    st.caption("Bits, mask ratio and seed are those of the sidebar, unless they vary above.")
base = run_form.spec(choice, made, fit)

wanted = ablation_grid.cells(base, first, second)
ablation_grid.panel(wanted)

st.header("The grid")
ablation_grid.watch(wanted, first[0], second[0])
show.simulated()

run = ablation_grid.opened(wanted)
if run is not None:
    st.header("One cell")
    run_results.headline(run)
    run_results.course(run)
    run_results.repeat(run)
