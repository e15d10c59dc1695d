"""Quantize: choose how, run it with live progress, and compare Q with P."""

import streamlit as st

from maskaq.formulas import OF_BACKEND
from maskaq.ui.sections import bit_width_explorer, run_results, sample_gallery
from maskaq.ui.shell import router
from maskaq.ui.widgets import run_form, run_panel, show

choice = router.enter()

st.title("Quantize")
st.markdown(
    "Two choices decide how Q is made. The **source** says where the images come from that the "
    "rounding is fitted to. The **back-end** says how it is fitted to them. The number of bits is "
    "in the sidebar."
)
show.demo()
made = run_form.drawing(choice)
fit = run_form.fitting(choice)
spec = run_form.spec(choice, made, fit)

found = run_panel.panel(spec, key="quantize")
run = run_results.or_nearest(found, spec, choice)

st.header("Q against P")
run_results.headline(run)
show.simulated()
with st.expander("How Q is fitted, and how the intervals are computed", icon=":material/function:"):
    for name in ("quantization", *OF_BACKEND.get(fit.backend, ()), "wilson"):
        show.formula(name)

st.header("The same images, other bits")
st.markdown(
    "Move the bit-widths in the sidebar: the images stay, and only the ranges of Q are set anew. "
    "How few bits does it take until the accuracy falls?"
)
bit_width_explorer.panel(run, choice, fit.first_last)

st.header("Does the source matter?")
run_results.sources(run)

st.header("Where the signal is lost")
run_results.tensor_report(run)

st.header("Where P and Q disagree")
sample_gallery.apart(run)

st.header("How the fit went")
run_results.course(run, "fit")
run_results.repeat(run)
