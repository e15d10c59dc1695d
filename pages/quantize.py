"""Quantize: choose a method, run it with live progress, and compare Q with P."""

import streamlit as st

from maskaq.config.components import BACKENDS
from maskaq.ui.sections import bit_width_explorer, run_results, sample_gallery
from maskaq.ui.shell import router
from maskaq.ui.widgets import run_form, run_panel, show

choice = router.enter()

st.title("Quantize")
st.markdown(
    "Two choices decide how the full-precision model **P** becomes the quantized model **Q**. The "
    "**source** provides the calibration images. The **back-end** fits the rounding of Q to these "
    "images. The bit widths are in the sidebar."
)
show.demo()
synthesis = run_form.synthesis(choice)
fit = run_form.fitting(choice)
spec = run_form.spec(choice, synthesis, fit)

run = run_results.or_nearest(run_panel.panel(spec, key="quantize"), spec, choice)

st.header("Q against P")
run_results.headline(run)
show.simulated()
with st.expander("How Q is fitted, and how the intervals are computed", icon=":material/function:"):
    for name in ("quantization", *BACKENDS[fit.backend].formulas, "wilson"):
        show.formula(name)

st.header("The same images at other bit widths")
st.markdown(
    "Change the bit widths in the sidebar: the images stay the same, and only the ranges of Q are "
    "set again. At how few bits does the accuracy drop?"
)
bit_width_explorer.panel(run, choice, fit.first_last)

st.header("Does the source matter?")
run_results.sources(run)

st.header("Where the signal is lost")
run_results.tensor_report(run)

st.header("Where P and Q disagree")
sample_gallery.disagreeing(run)

st.header("How the fit went")
run_results.metrics(run, "fit")
run_results.repeat(run)
