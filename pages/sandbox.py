"""Quantizer sandbox: what rounding to a few bits does to numbers, without any model."""

import streamlit as st

from maskaq.ui import router

choice = router.enter()

st.title("Quantizer sandbox")
st.markdown("What rounding to a few bits does to numbers, without any model.")
