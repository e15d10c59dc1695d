"""Look inside: what the model attends to in one picture, and whether it matters."""

import streamlit as st

from maskaq.ui.shell import router
from maskaq.ui.state import pages
from maskaq.ui.widgets import tabs

choice = router.enter()

st.title(pages.LOOK_INSIDE.title)
tab = tabs.choose(pages.LOOK_INSIDE)
st.write(tab)
