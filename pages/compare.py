"""Compare: runs side by side, and what the papers published."""

import streamlit as st

from maskaq.ui import router

choice = router.enter()

st.title("Compare")
st.markdown("Runs side by side, and what the papers published.")
