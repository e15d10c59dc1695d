"""Quantize: choose how, run it with live progress, and compare Q with P."""

import streamlit as st

from maskaq.formulas import OF_BACKEND
from maskaq.ui import choices, gallery, live, moves, results, router, show

choice = router.enter()

st.title("Quantize")
st.markdown(
    "Two choices decide how Q is made. The **source** says where the images come from that the "
    "rounding is fitted to. The **back-end** says how it is fitted to them. The number of bits is "
    "in the sidebar."
)
show.demo()
made = choices.drawing(choice)
fit = choices.fitting(choice)
spec = choices.spec(choice, made, fit)

found = live.panel(spec, key="quantize")
run = results.or_nearest(found, spec, choice)

st.header("Q against P")
results.headline(run)
show.simulated()
with st.expander("How Q is fitted, and how the intervals are computed", icon=":material/function:"):
    for name in ("quantization", *OF_BACKEND.get(fit.backend, ()), "wilson"):
        show.formula(name)

st.header("The same images, other bits")
st.markdown(
    "Move the bit-widths in the sidebar: the images stay, and only the ranges of Q are set anew. "
    "How few bits does it take until the accuracy falls?"
)
moves.panel(run, choice, fit.first_last)

st.header("Does the source matter?")
results.sources(run)

st.header("Where the signal is lost")
results.tensor_report(run)

st.header("Where P and Q disagree")
gallery.apart(run)

st.header("How the fit went")
results.course(run, "fit")
results.repeat(run)
