"""Make one: images, a small model fitted to them, and how good it is."""

import streamlit as st

from maskaq.ui.sections import make_one
from maskaq.ui.shell import router
from maskaq.ui.state import pages
from maskaq.ui.widgets import run_form, run_panel, show, tabs

choice = router.enter()

tab = tabs.header(pages.MAKE_ONE)
st.caption(
    "**P**, the full-precision model, draws its own images; **Q**, the quantized one, is fitted to "
    "them."
)
show.demo()
controls = st.container(horizontal=True, vertical_alignment="bottom")
spec = run_form.form(choice, controls)
run = run_panel.panel(spec, controls)
make_one.section(tab, run, spec, choice)
