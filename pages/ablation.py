"""Ablation: change two settings at a time and see which one matters."""

import streamlit as st

from maskaq.ui import cells, choices, results, router, show

choice = router.enter()

st.title("Ablation")
st.markdown(
    "Which part of a method does the work? Change two settings at a time, keep all others, and run "
    "every pair. Below, a small grid of such runs: what is stored or was run before is there at "
    "once, the rest fills in while it is computed."
)
show.demo()
st.subheader("What varies")
first, second = cells.axes()
with st.expander("What stays the same", icon=":material/lock:"):
    made = choices.drawing(choice)
    fit = choices.fitting(choice, quick=True)
    st.caption("Bits, mask ratio and seed are those of the sidebar, unless they vary above.")
base = choices.spec(choice, made, fit)

wanted = cells.cells(base, first, second)
cells.panel(wanted)

st.header("The grid")
cells.watch(wanted, first[0], second[0])
show.simulated()

run = cells.opened(wanted)
if run is not None:
    st.header("One cell")
    results.headline(run)
    results.course(run)
    results.repeat(run)
