"""Synthesis: let the model make the images that replace its training data."""

import streamlit as st

from maskaq.ui.sections import run_results, sample_gallery, synthesis_player
from maskaq.ui.shell import router
from maskaq.ui.widgets import run_form, run_panel, show

choice = router.enter()

st.title("Synthesis")
st.markdown(
    """
If the training data is not available, the full-precision model **P makes its own images**. Start
with random colours, change every pixel a little so that P recognises a class more clearly, and
repeat. MaskAQ adds loss terms about attention, which the switches below turn on and off. The images
look odd to us, but they only have to produce the same numbers inside P as real images do.
"""
)
show.demo()
synthesis = run_form.synthesis(choice)
weights = run_form.terms(choice, synthesis.source)
with st.expander("After the synthesis", icon=":material/compress:"):
    st.markdown(
        "The run then fits the quantized model **Q** to the images and evaluates it, so that all "
        "other pages can show the run. The back-end `minmax` and few test images make this fast."
    )
    fit = run_form.fitting(choice, quick=True)
spec = run_form.spec(choice, synthesis, fit, weights)

run = run_results.or_nearest(run_panel.panel(spec, key="synthesis"), spec, choice)
st.caption(show.where_from(run))

st.header("The images")
sample_gallery.samples(run, choice.mask_ratio)

st.header("Step by step")
synthesis_player.film(run)
with st.expander("The formulas behind the curves", icon=":material/function:"):
    for name in ("synthesis", "differential entropy", "ratio schedule"):
        show.formula(name)

st.header("Repeat this run")
run_results.repeat(run)
