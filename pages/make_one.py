"""Make one: images, a small model fitted to them, and how good it is."""

import streamlit as st

from maskaq.ui.shell import router
from maskaq.ui.state import pages
from maskaq.ui.widgets import tabs

choice = router.enter()

st.title(pages.MAKE_ONE.title)
tab = tabs.choose(pages.MAKE_ONE)
st.write(tab)
