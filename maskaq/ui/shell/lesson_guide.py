"""Guides a visitor through a lesson: a card beside every page shows the current step, which is
checked off when its control is used."""

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from maskaq.ui.playground import session as playground
from maskaq.ui.shell.lessons import LESSONS, PICTURE, RUN, Lesson, Step
from maskaq.ui.state import pages, session
from maskaq.ui.widgets import run_panel, spotlight, tabs

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
    """Draw a page, and beside it the card of the current lesson.

    The card is on the left, so that it comes first where a narrow screen has no room for both.
    """
    name = current()
    if name is None:
        yield
        return
    card, page = st.columns([1, 3], gap="medium")
    with card, st.container(border=True, key="lesson"):
        _card(name)
    with page:
        yield


def _card(name: str) -> None:
    lesson, count = LESSONS[name], done(name)
    total = len(lesson.steps)
    # At the top, because text of varying length would move the buttons.
    row = st.container(horizontal=True)
    row.button("Leave", on_click=end, key="lesson_end", help="Leave the lesson")
    if count < total:
        row.button("Skip", on_click=_skip, key="lesson_skip", help="Skip this step")
    st.caption(f"**{lesson.title}**")
    st.progress(count / total, f"{count} of {total} steps done")
    if count:
        st.caption(f":material/visibility: {lesson.steps[count - 1].notice}")
    if count < total:
        _step(lesson.steps[count], count)
    else:
        _question(lesson, name)


def _step(step: Step, count: int) -> None:
    st.markdown(f"**Step {count + 1}.** {step.text}")
    if _there(step):
        return
    title = f"Go to {step.tab or step.page.title}"
    if st.session_state.get(session.PAGE) == step.page.file:
        st.button(title, on_click=st.session_state.update, kwargs=step.query, key="lesson_tab")
    else:
        st.page_link(step.page.file, label=title, icon=step.page.icon, query_params=step.query)


def _skip() -> None:
    if (name := current()) is not None:
        _set_done(name, min(done(name) + 1, len(LESSONS[name].steps)))


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


def _there(step: Step) -> bool:
    """Whether the visitor is at the page and the tab of a step."""
    page = st.session_state.get(session.PAGE)
    return page == step.page.file and tabs.current(step.page) == step.tab


def _fulfilled(step: Step) -> bool:
    """Whether the visitor has done the step. A control counts at its own place only, and only after
    it was drawn once: its initial value is not the visitor's choice."""
    state = st.session_state
    if not _there(step):
        return False
    if not step.control:
        return True
    if step.control == RUN:
        record = run_panel.latest()
        value: object = record.id if record is not None else ""
    elif step.control == PICTURE:
        value = playground.current().picture
    elif step.control in state:
        value = state[step.control]
    else:
        return False
    return step.reached(value, state.setdefault(_BEFORE, value))
