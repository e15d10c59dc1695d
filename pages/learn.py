"""Learn: guided lessons, and a sandbox for rounding numbers."""

import streamlit as st

from maskaq.ui.shell import router
from maskaq.ui.state import pages
from maskaq.ui.widgets import tabs

choice = router.enter()

st.title(pages.LEARN.title)
tab = tabs.choose(pages.LEARN)
st.write(tab)
