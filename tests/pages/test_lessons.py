"""Lessons, followed step by step on the real pages."""

import re

import pytest

from maskaq.ui.shell.lessons import LESSONS, RUN, Step
from maskaq.ui.state import pages


def start(open_page, name: str):
    app = open_page(pages.LESSONS)
    return app.button(key=f"start_{name}").click().run()


def box(app):
    """The text of the sidebar, which has the lesson."""
    return "\n".join(str(one.value) for one in (*app.sidebar.markdown, *app.sidebar.caption))


def progress(app) -> str:
    (bar,) = (one.proto.text for one in app.sidebar.get("progress"))
    return bar


def go(app, step: Step):
    return app.switch_page(step.page.file).run()


def candidates(widget) -> list[object]:
    """Values to try: the options of a menu, or all numbers of a range."""
    if getattr(widget, "options", None):
        return list(widget.options)
    step = getattr(widget, "step", 1) or 1
    count = round((widget.max - widget.min) / step)
    return [widget.min + step * place for place in range(min(count, 500) + 1)]


def touch(app, step: Step, press):
    """Follow the instruction of the step."""
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
def test_a_lesson_ticks_off_its_steps_and_ends_with_a_question(
    name, open_page, press, shipped, cluster, monkeypatch
):
    lesson, app = LESSONS[name], start(open_page, name)
    total = len(lesson.steps)
    page = pages.LESSONS
    for number, step in enumerate(lesson.steps):
        assert progress(app) == f"{number} of {total} steps done"
        assert f"**Step {number + 1}.** {step.text}" in box(app)
        assert lesson.question not in box(app)
        if page is not step.page:
            page = step.page
            app = go(app, step)
            assert not app.exception
            if step.control and progress(app).startswith(f"{number} "):
                assert f"**Step {number + 1}.**" in box(app)  # opening the page is not enough
        app = touch(app, step, press)
        assert not app.exception
        assert progress(app) == f"{number + 1} of {total} steps done"
        assert step.notice in box(app)
    assert lesson.question in box(app)
    assert lesson.answer not in box(app)
    app.button(key="lesson_answer").click().run()
    assert lesson.answer in box(app)
    app.button(key="lesson_end").click().run()
    assert not app.sidebar.get("progress")


@pytest.mark.parametrize("spec", pages.PAGES, ids=lambda spec: spec.title)
def test_the_texts_name_each_control_by_its_label(spec, open_page, shipped):
    steps = [step for lesson in LESSONS.values() for step in lesson.steps if step.page is spec]
    if not steps:
        return
    app = open_page(spec)
    for step in steps:
        named = set(re.findall(r"\*\*(.+?)\*\*", step.text))
        if not step.control:
            assert named & {page.title for page in pages.PAGES} == {spec.title}
        elif step.control == RUN:
            assert "Run" in named & {button.label for button in app.button}
        else:
            assert app.get_by_key(step.control).label in named


def test_steps_name_pages_by_their_titles():
    titles = {page.title for page in pages.PAGES}
    for lesson in LESSONS.values():
        for step in lesson.steps:
            named = set(re.findall(r"page \*\*(.+?)\*\*", step.text))
            assert named <= titles
            assert named <= {step.page.title}


def test_a_step_can_be_skipped_and_a_lesson_restarted(open_page, text):
    app = start(open_page, "numbers")
    app.button(key="lesson_skip").click().run()
    assert progress(app).startswith("1 of")
    assert "1 of 6 steps done" in text(app)
    app.button(key="start_numbers").click().run()
    assert progress(app).startswith("0 of")


def test_a_link_leads_to_the_page_of_the_step(open_page):
    app = start(open_page, "numbers")
    links = [one.proto.label for one in app.sidebar.get("page_link")]
    assert "Go to Quantizer sandbox" in links
    app = go(app, LESSONS["numbers"].steps[0])
    assert "Go to Quantizer sandbox" not in [
        one.proto.label for one in app.sidebar.get("page_link")
    ]


def test_without_a_lesson_the_sidebar_has_no_steps(open_page):
    app = open_page(pages.SANDBOX)
    assert "lesson_skip" not in [button.key for button in app.button]


def test_the_page_has_notes_for_a_demo(open_page, text):
    app = open_page(pages.LESSONS)
    assert "What not to claim" in text(app)
    titles = " ".join(header.value for header in app.subheader)
    assert all(lesson.title in titles for lesson in LESSONS.values())
