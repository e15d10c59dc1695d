"""Lessons: four guided tours of the app, and notes for a demo."""

from pathlib import Path

import streamlit as st

from maskaq.ui.shell import lesson_guide, router
from maskaq.ui.shell.lessons import LESSONS

NOTES = Path(__file__).parents[1] / "docs" / "demo.md"

router.enter()

st.title("Lessons")
st.markdown(
    "Four guided lessons of about ten minutes each, in any order. A lesson takes you through the "
    "pages of the app: the sidebar names the next control to use, checks it off when you have used "
    "it, and says what to notice. Each lesson ends with a question. Throughout, **P** is the "
    "full-precision model and **Q** the quantized model that is made from it."
)
for number, (name, lesson) in enumerate(LESSONS.items(), start=1):
    count, total = lesson_guide.done(name), len(lesson.steps)
    with st.container(border=True):
        st.subheader(f"{number}. {lesson.title}")
        st.markdown(f"{lesson.learn} About {lesson.minutes} minutes.")
        places = st.columns([1, 3], vertical_alignment="center")
        active = lesson_guide.current() == name
        places[0].button(
            "Start again" if count else "Start",
            on_click=lesson_guide.begin,
            args=(name,),
            key=f"start_{name}",
            type="secondary" if count == total else "primary",
            disabled=active and count == 0,
        )
        ticks = "done" if count == total else f"{count} of {total} steps done"
        places[1].caption(f"{ticks}. Continue in the sidebar." if active else f"{ticks}.")
        with st.expander("The steps", icon=":material/checklist:"):
            for place, step in enumerate(lesson.steps):
                box = (
                    ":material/check_box:"
                    if place < count
                    else ":material/check_box_outline_blank:"
                )
                st.markdown(f"{box} {step.text}")

st.header("Show it to others")
with st.expander("Speaker notes for a five-minute demo", icon=":material/co_present:"):
    if NOTES.is_file():
        st.markdown(NOTES.read_text().split("\n", 1)[1])
    else:
        st.info("The notes are in `docs/demo.md` of the source code, which is not installed here.")
