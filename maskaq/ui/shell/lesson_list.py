"""The tab Lessons: all lessons with their progress, and notes for a demo."""

from pathlib import Path

import streamlit as st

from maskaq.ui.shell import lesson_guide
from maskaq.ui.shell.lessons import LESSONS, Lesson
from maskaq.ui.widgets import show

NOTES = Path(__file__).parents[3] / "docs" / "demo.md"


def draw() -> None:
    """Draw the tab."""
    st.markdown(
        "Four lessons of about ten minutes, in any order. A card beside the page names the next "
        "control, checks it off when you have used it, and says what to notice. **P** is the "
        "full-precision model, **Q** the quantized one."
    )
    names = list(LESSONS)
    for pair in (names[:2], names[2:]):
        for place, name in zip(st.columns(2), pair, strict=True):
            with place.container(border=True):
                _lesson(name, LESSONS[name])
    with st.expander("Speaker notes for a five-minute demo", icon=":material/co_present:"):
        if NOTES.is_file():
            st.markdown(NOTES.read_text().split("\n", 1)[1])
        else:
            st.info("They are in `docs/demo.md` of the source code, which is not installed here.")


def _lesson(name: str, lesson: Lesson) -> None:
    count, total = lesson_guide.done(name), len(lesson.steps)
    active = lesson_guide.current() == name
    st.subheader(f"{list(LESSONS).index(name) + 1}. {lesson.title}")
    st.markdown(lesson.learn)
    row = st.container(horizontal=True, vertical_alignment="center")
    row.button(
        "Start again" if count else "Start",
        on_click=lesson_guide.begin,
        args=(name,),
        key=f"start_{name}",
        type="secondary" if count == total else show.main_button(),
        disabled=active and count == 0,
    )
    row.caption("done" if count == total else f"{count} of {total} steps done")
    with st.expander("The steps", icon=":material/checklist:"):
        for place, step in enumerate(lesson.steps):
            box = ":material/check_box:" if place < count else ":material/check_box_outline_blank:"
            st.markdown(f"{box} {step.text}")
