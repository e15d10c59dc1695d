"""Ablation: change two settings at a time and see which one matters."""

import streamlit as st

from maskaq.ui import router

choice = router.enter()

st.title("Ablation")
st.markdown("Change two settings at a time and see which one matters.")
