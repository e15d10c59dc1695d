"""Compare: runs, a grid of settings, and published results."""

import streamlit as st

from maskaq.ui.shell import router
from maskaq.ui.state import pages
from maskaq.ui.widgets import tabs

choice = router.enter()

st.title(pages.COMPARE.title)
tab = tabs.choose(pages.COMPARE)
st.write(tab)
