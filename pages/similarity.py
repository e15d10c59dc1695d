"""Patch similarity and entropy: how alike the patches of an image are, and how that is measured."""

import streamlit as st

from maskaq.ui import router

choice = router.enter()

st.title("Patch similarity and entropy")
st.markdown("How alike the patches of an image are, and how that is measured.")
