"""Report: take a run with you, as one file that opens without a network."""

import streamlit as st

from maskaq.ui import router

choice = router.enter()

st.title("Report")
st.markdown("Take a run with you, as one file that opens without a network.")
