"""Lessons, walked through on the real pages."""

from __future__ import annotations

import re

import pytest

from maskaq.ui.shell.lessons import LESSONS, RUN, Step
from maskaq.ui.state import pages

STEPS = [(name, place) for name in LESSONS for place in range(len(LESSONS[name].steps))]


def begin(open_page, name: str):
    app = open_page(pages.LESSONS)
    return app.button(key=f"start_{name}").click().run()


def box(app):
    """What the sidebar says about the lesson."""
    return "\n".join(str(one.value) for one in (*app.sidebar.markdown, *app.sidebar.caption))


def counted(app) -> str:
    (bar,) = (one.proto.text for one in app.sidebar.get("progress"))
    return bar


def go(app, step: Step):
    return app.switch_page(step.page.file).run()


def candidates(widget) -> list[object]:
    """Values to try; menus offer theirs, numbers run from one end to the other."""
    if getattr(widget, "options", None):
        return list(widget.options)
    step = getattr(widget, "step", 1) or 1
    count = round((widget.max - widget.min) / step)
    return [widget.min + step * place for place in range(min(count, 500) + 1)]


def touch(app, step: Step, press):
    """Do what the step asks for."""
    if not step.control:
        return app
    if step.control == RUN:
        return press(app, "Run").run()
    widget = app.get_by_key(step.control)
    before = widget.value
    goal = step.goal or (lambda value: value != before)
    fits = [value for value in candidates(widget) if goal(value)]
    assert fits, f"{step.text} asks for what {step.control} does not offer"
    return widget.set_value(fits[0]).run()


@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_ticks_itself_off_and_ends_with_a_question(
    name, open_page, press, shipped, cluster, monkeypatch
):
    lesson, app = LESSONS[name], begin(open_page, name)
    total = len(lesson.steps)
    page = pages.LESSONS
    for number, step in enumerate(lesson.steps):
        assert counted(app) == f"{number} of {total} steps done"
        assert f"**Step {number + 1}.** {step.text}" in box(app)
        assert lesson.question not in box(app)
        if page is not step.page:
            page = step.page
            app = go(app, step)
            assert not app.exception
            if step.control and counted(app).startswith(f"{number} "):
                assert f"**Step {number + 1}.**" in box(app)  # opening the page is not enough
        app = touch(app, step, press)
        assert not app.exception
        assert counted(app) == f"{number + 1} of {total} steps done"
        assert step.notice in box(app)
    assert lesson.question in box(app)
    assert lesson.answer not in box(app)
    app.button(key="lesson_answer").click().run()
    assert lesson.answer in box(app)
    app.button(key="lesson_end").click().run()
    assert not app.sidebar.get("progress")


@pytest.mark.parametrize("name, place", STEPS)
def test_every_control_is_on_its_page_under_the_label_in_the_text(name, place, open_page, shipped):
    step = LESSONS[name].steps[place]
    labels = set(re.findall(r"\*\*(.+?)\*\*", step.text))
    if not step.control:
        assert labels & {page.title for page in pages.PAGES} == {step.page.title}
        return
    app = open_page(step.page)
    if step.control == RUN:
        assert "Run" in labels & {button.label for button in app.button}
    else:
        assert app.get_by_key(step.control).label in labels


def test_all_pages_are_named_by_their_titles():
    titles = {page.title for page in pages.PAGES}
    for lesson in LESSONS.values():
        for step in lesson.steps:
            named = set(re.findall(r"page \*\*(.+?)\*\*", step.text))
            assert named <= titles
            assert named <= {step.page.title}


def test_a_step_can_be_skipped_and_a_lesson_begun_again(open_page, text):
    app = begin(open_page, "numbers")
    app.button(key="lesson_skip").click().run()
    assert counted(app).startswith("1 of")
    assert "1 of 6 steps done" in text(app)
    app.button(key="start_numbers").click().run()
    assert counted(app).startswith("0 of")


def test_a_link_leads_to_the_page_of_the_step(open_page):
    app = begin(open_page, "numbers")
    links = [one.proto.label for one in app.sidebar.get("page_link")]
    assert "Go to Quantizer sandbox" in links
    app = go(app, LESSONS["numbers"].steps[0])
    assert "Go to Quantizer sandbox" not in [
        one.proto.label for one in app.sidebar.get("page_link")
    ]


def test_without_a_lesson_the_sidebar_says_nothing(open_page):
    app = open_page(pages.SANDBOX)
    assert "lesson_skip" not in [button.key for button in app.button]


def test_the_page_has_notes_for_a_demo(open_page, text):
    said = text(open_page(pages.LESSONS))
    assert "What not to claim" in said
    assert all(
        lesson.title in " ".join(s.value for s in open_page(pages.LESSONS).subheader)
        for lesson in LESSONS.values()
    )
