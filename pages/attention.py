"""Attention and informative regions: where the model looks, and which patches are informative."""

import streamlit as st

from maskaq.ui import router

choice = router.enter()

st.title("Attention and informative regions")
st.markdown("Where the model looks, and which patches count as informative.")
