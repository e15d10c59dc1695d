"""Synthesis: let the model draw the images that replace its training data."""

import streamlit as st

from maskaq.ui import router

choice = router.enter()

st.title("Synthesis")
st.markdown("Let the model draw the images that replace its training data.")
