"""Playground: a picture, what every head sees in it, and what quantization does to the answer."""

import streamlit as st

from maskaq.data.upload import read_picture
from maskaq.errors import DataError
from maskaq.precomputed import worlds
from maskaq.precomputed.dense import COMMAND, MODELS
from maskaq.ui.dense import component
from maskaq.ui.playground import session, tables, view
from maskaq.ui.shell import router
from maskaq.ui.state import pages, url
from maskaq.ui.widgets import tabs

WAYS = {"teach": pages.LEARN, "evidence": pages.COMPARE}


@st.dialog("Take a picture")
def camera() -> None:
    """A picture from the visitor's camera."""
    taken = st.camera_input("Your picture", label_visibility="collapsed")
    if taken is None:
        return
    try:
        session.ask_about(read_picture("camera.png", taken.getvalue()))
    except DataError as error:
        st.error(str(error), icon=":material/error:")
        return
    st.rerun()


def dense(task: str) -> None:
    """The playground of segmentation or detection, and the numbers behind it."""
    component.mount(task)
    numbers = st.expander(
        "The numbers behind this page, and where they come from", key="numbers", on_change="rerun"
    )
    if numbers.open:
        numbers.markdown(component.about(task))
        numbers.dataframe(
            component.table(task),
            hide_index=True,
            alt="Metric of P and Q for every number format and source of images.",
        )
        numbers.code(COMMAND, language=None)
    st.stop()


router.enter()
url.declare(view=view.FIELD)
task = tabs.one_of(("Classification", "Segmentation", "Detection"), "Task", key="task").lower()
if task in MODELS:
    dense(task)
sent = session.show()
session.wait()
if sent.go in WAYS:
    st.switch_page(WAYS[sent.go].file, query_params={})
if sent.camera:
    camera()

world = view.world_of(session.current().picture)
# Its content needs large scripts, so it is only drawn when it is open.
numbers = st.expander(
    "The numbers behind this page, and where they come from", key="numbers", on_change="rerun"
)
if numbers.open:
    numbers.markdown(tables.about(world))
    numbers.dataframe(
        tables.accuracies(world),
        hide_index=True,
        alt="Accuracy of P and Q for every number format and source of images.",
    )
    for command in worlds.COMMANDS:
        numbers.code(f"{command} {world.name}", language=None)
