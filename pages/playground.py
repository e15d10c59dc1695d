"""Playground: a picture, what every head sees in it, and what quantization does to the answer."""

from collections.abc import Callable, Iterable
from functools import partial

import pandas as pd
import streamlit as st

from maskaq.data.upload import read_picture
from maskaq.errors import DataError
from maskaq.precomputed import dream, worlds
from maskaq.precomputed.dense import COMMAND, MODELS
from maskaq.ui.dense import component, dreaming
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


def behind(
    about: Callable[[], str],
    numbers: Callable[[], pd.DataFrame],
    commands: Iterable[str],
    alt: str,
) -> None:
    """The numbers of the page. They need large scripts, so they are only drawn when open."""
    place = st.expander(
        "The numbers behind this page, and where they come from", key="numbers", on_change="rerun"
    )
    if not place.open:
        return
    place.markdown(about())
    place.dataframe(numbers(), hide_index=True, alt=alt)
    for command in commands:
        place.code(command, language=None)


router.enter()
url.declare(view=view.FIELD)
task = tabs.one_of(("Classification", "Segmentation", "Detection"), "Task", key="task").lower()
if task in MODELS:
    component.mount(task)
    if task == "segmentation":
        dreaming.section()
    behind(
        partial(component.about, task),
        partial(component.table, task),
        [COMMAND, dream.COMMAND] if task == "segmentation" else [COMMAND],
        "Metric of P and Q for every number format and source of images.",
    )
    st.stop()
sent = session.show()
session.wait()
if sent.go in WAYS:
    st.switch_page(WAYS[sent.go].file, query_params={})
if sent.camera:
    camera()

world = view.world_of(session.current().picture)
behind(
    partial(tables.about, world),
    partial(tables.accuracies, world),
    [f"{command} {world.name}" for command in worlds.COMMANDS],
    "Accuracy of P and Q for every number format and source of images.",
)
