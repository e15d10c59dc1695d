"""Take away: one page that sums up a run, and its files."""

import streamlit as st

from maskaq.ui.shell import router
from maskaq.ui.state import pages
from maskaq.ui.widgets import tabs

choice = router.enter()

st.title(pages.TAKE_AWAY.title)
tab = tabs.choose(pages.TAKE_AWAY)
st.write(tab)
