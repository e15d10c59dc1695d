"""Guides a visitor through a lesson: a card beside every page shows the current step, which is
checked off when its control is used."""

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from maskaq.ui.shell.lessons import LESSONS, RUN, Lesson, Step
from maskaq.ui.state import pages, session
from maskaq.ui.widgets import run_panel, spotlight

# Keys in the session.
_LESSON = "_lesson"  # name of the current lesson
_DONE = "_lesson_done"  # number of steps done, by lesson
_BEFORE = "_lesson_before"  # value of the control at the start of its step
_REVEALED = "_lesson_revealed"  # names of the lessons whose answer is shown


def begin(name: str) -> None:
    """Start a lesson from its first step."""
    st.session_state[_LESSON] = name
    _set_done(name, 0)


def end() -> None:
    """Leave the lesson. Its steps stay checked off."""
    st.session_state.pop(_LESSON, None)
    st.session_state.pop(_BEFORE, None)


def done(name: str) -> int:
    """The number of steps done in a lesson."""
    counts: dict[str, int] = st.session_state.setdefault(_DONE, {})
    return counts.get(name, 0)


def _set_done(name: str, count: int) -> None:
    st.session_state.setdefault(_DONE, {})[name] = count
    st.session_state.pop(_BEFORE, None)


def current() -> str | None:
    """The name of the current lesson, None without one."""
    name: str | None = st.session_state.get(_LESSON)
    return name


def follow() -> None:
    """Check off what the visitor has done, and mark the control of the next step.

    The router calls this before any control is drawn.
    """
    spotlight.aim("")
    name = current()
    if name is None:
        return
    lesson, count = LESSONS[name], done(name)
    while count < len(lesson.steps) and _fulfilled(lesson.steps[count]):
        count += 1
        _set_done(name, count)
    if count < len(lesson.steps):
        spotlight.aim(lesson.steps[count].control)


@contextmanager
def beside() -> Iterator[None]:
    """Draw a page, and beside it the card of the current lesson."""
    name = current()
    if name is None:
        yield
        return
    page, card = st.columns([3, 1], gap="medium")
    with card, st.container(border=True, key="lesson"):
        _card(name)
    with page:
        yield


def _card(name: str) -> None:
    lesson, count = LESSONS[name], done(name)
    st.markdown(f"**Lesson: {lesson.title}**")
    # At the top, because text of varying length would move the button.
    st.button("Leave the lesson", on_click=end, key="lesson_end", type="tertiary")
    total = len(lesson.steps)
    st.progress(count / total, f"{count} of {total} steps done")
    if count < total:
        _step(lesson.steps[count], name, count)
    if count:
        st.caption(f":material/visibility: {lesson.steps[count - 1].notice}")
    if count == total:
        _question(lesson, name)


def _step(step: Step, name: str, count: int) -> None:
    st.markdown(f"**Step {count + 1}.** {step.text}")
    if st.session_state.get(session.PAGE) != step.page.file:
        st.page_link(step.page.file, label=f"Go to {step.page.title}", icon=step.page.icon)
    st.button("Skip this step", on_click=_set_done, args=(name, count + 1), key="lesson_skip")


def _question(lesson: Lesson, name: str) -> None:
    st.markdown(f"**Question.** {lesson.question}")
    revealed: set[str] = st.session_state.setdefault(_REVEALED, set())
    if name in revealed:
        st.markdown(lesson.answer)
    else:
        st.button("Show the answer", on_click=revealed.add, args=(name,), key="lesson_answer")
    names = list(LESSONS)
    remaining = names[names.index(name) + 1 :]
    if remaining:
        title = LESSONS[remaining[0]].title
        st.button(f"Next lesson: {title}", on_click=begin, args=remaining[:1], key="lesson_next")
    else:
        st.page_link(pages.LEARN.file, label="All lessons", icon=pages.LEARN.icon)


def _fulfilled(step: Step) -> bool:
    """Whether the visitor has done the step. A control counts on its own page only, and only after
    it was drawn once: its initial value is not the visitor's choice."""
    state = st.session_state
    if state.get(session.PAGE) != step.page.file:
        return False
    if not step.control:
        return True
    if step.control == RUN:
        record = run_panel.latest()
        value: object = record.id if record is not None else ""
    elif step.control in state:
        value = state[step.control]
    else:
        return False
    if step.goal is not None:
        return step.goal(value)
    return bool(value != state.setdefault(_BEFORE, value))
