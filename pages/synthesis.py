"""Synthesis: let the model draw the images that replace its training data."""

import streamlit as st

from maskaq.ui.sections import run_results, sample_gallery, synthesis_player
from maskaq.ui.shell import router
from maskaq.ui.widgets import run_form, run_panel, show

choice = router.enter()

st.title("Synthesis")
st.markdown(
    """
Where do images come from, if nobody may use the training data? **P itself draws them.** Begin with
random colours, and change every pixel a little so that P recognises a class more clearly; repeat.
MaskAQ adds terms about attention, which the switches below turn on and off. What comes out looks
odd to us. It only has to set off the same numbers inside P as real images would.
"""
)
show.demo()
made = run_form.drawing(choice)
weights = run_form.terms(choice, made.source)
with st.expander("What follows the drawing", icon=":material/compress:"):
    st.markdown(
        "A run goes on to fit Q to the images and to test it, so that every other page can show "
        "it. The back-end `minmax` and few test images make this part short."
    )
    fit = run_form.fitting(choice, quick=True)
spec = run_form.spec(choice, made, fit, weights)

found = run_panel.panel(spec, key="synthesis")
run = run_results.or_nearest(found, spec, choice)
st.caption(show.where_from(run))

st.header("What was drawn")
sample_gallery.samples(run, choice.mask_ratio)

st.header("How it came about")
synthesis_player.film(run)
with st.expander("What the curves show, as formulas", icon=":material/function:"):
    for name in ("synthesis", "differential entropy", "ratio schedule"):
        show.formula(name)

st.header("Do it again")
run_results.repeat(run)
