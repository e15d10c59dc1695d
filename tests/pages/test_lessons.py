"""Lessons, followed step by step on the real pages."""

import re

import pytest

from maskaq.precomputed import showcase
from maskaq.ui.playground import session as playground
from maskaq.ui.playground.view import View
from maskaq.ui.shell.lessons import LESSONS, PICTURE, RUN, Step
from maskaq.ui.state import pages

LABELS = {RUN: "Run"}  # of what a step names instead of a control


def start(open_page, name: str):
    app = open_page(pages.LEARN)
    return app.button(key=f"start_{name}").click().run()


def card(app):
    """The card of the lesson, None without one."""

    def found(block):
        if str(getattr(block.proto, "id", "")).endswith("-lesson"):
            return block
        inner = (found(child) for child in getattr(block, "children", {}).values())
        return next((one for one in inner if one is not None), None)

    return next((one for one in map(found, app.main.children.values()) if one is not None), None)


def box(app):
    """The text of the card."""
    block = card(app)
    return "\n".join(str(one.value) for one in (*block.markdown, *block.caption))


def progress(app) -> str:
    (bar,) = (one.proto.text for one in card(app).get("progress"))
    return bar


def go(app, step: Step):
    for name, tab in step.query.items():
        app.session_state[name] = tab
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
        return press(app, LABELS[RUN]).run()
    if step.control == PICTURE:  # chosen in the browser
        app.session_state[playground._VIEW] = View(picture="scene2", block=0)
        return app.run()
    if step.text.startswith("Under *Which numbers*"):  # a step with two controls
        app.get_by_key("values").set_value("softmax").run()
    widget = app.get_by_key(step.control)
    before = widget.value
    fits = [value for value in candidates(widget) if step.reached(value, before)]
    assert fits, f"{step.text} asks for what {step.control} does not offer"
    return widget.set_value(fits[0]).run()


@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_ticks_off_its_steps_and_ends_with_a_question(
    name, open_page, press, shipped, cluster
):
    lesson, app = LESSONS[name], start(open_page, name)
    total = len(lesson.steps)
    place = (pages.LEARN, "Lessons")
    for number, step in enumerate(lesson.steps):
        assert progress(app) == f"{number} of {total} steps done"
        assert f"**Step {number + 1}.** {step.text}" in box(app)
        assert lesson.question not in box(app)
        if place != (step.page, step.tab):
            place = (step.page, step.tab)
            app = go(app, step)
            assert not app.exception
            if step.control:
                assert progress(app).startswith(f"{number} ")  # being there is not enough
        app = touch(app, step, press)
        assert not app.exception
        assert progress(app) == f"{number + 1} of {total} steps done"
        assert step.notice in box(app)
    assert lesson.question in box(app)
    assert lesson.answer not in box(app)
    app.button(key="lesson_answer").click().run()
    assert lesson.answer in box(app)
    app.button(key="lesson_end").click().run()
    assert card(app) is None


PLACES = [(spec, tab) for spec in pages.PAGES for tab in spec.tabs]


@pytest.mark.parametrize("spec, tab", PLACES, ids=lambda part: getattr(part, "title", part))
def test_the_texts_name_each_control_by_its_label(spec, tab, open_page, shipped):
    steps = [step for lesson in LESSONS.values() for step in lesson.steps]
    steps = [step for step in steps if (step.page, step.tab) == (spec, tab)]
    if not steps:
        return
    app = open_page(spec, **steps[0].query)
    for step in steps:
        named = set(re.findall(r"\*\*(.+?)\*\*", step.text))
        if step.control == RUN:
            assert LABELS[RUN] in named & {button.label for button in app.button}
        elif step.control not in ("", PICTURE):
            widget = app.get_by_key(step.control)  # a label may be hidden beside its options
            assert named & {widget.label, *map(str, step.goal)}


def test_a_step_elsewhere_names_its_page_and_its_tab():
    for lesson in LESSONS.values():
        place = (pages.LEARN, "Lessons")
        for step in lesson.steps:
            if place != (step.page, step.tab):
                assert f"**{step.page.title}**" in step.text
                assert not step.tab or f"tab *{step.tab}*" in step.text
            place = (step.page, step.tab)


def test_lessons_ask_only_for_bits_whose_attention_is_stored():
    """From W4A4 on, each step of a lesson leads to a combination that is shipped."""
    for lesson in LESSONS.values():
        bits = {"weight_bits": 4, "activation_bits": 4}
        for step in lesson.steps:
            if step.control in bits:
                (bits[step.control],) = step.goal
                assert f"W{bits['weight_bits']}A{bits['activation_bits']}" in showcase.BITS


def test_a_step_can_be_skipped_and_a_lesson_restarted(open_page, text):
    app = start(open_page, "numbers")
    app.button(key="lesson_skip").click().run()
    assert progress(app).startswith("1 of")
    assert "1 of 6 steps done" in text(app)
    app.button(key="start_numbers").click().run()
    assert progress(app).startswith("0 of")


def test_a_link_leads_to_the_page_and_the_tab_of_the_step(open_page):
    app = start(open_page, "aligning")
    app.button(key="lesson_skip").click().run()
    (link,) = card(app).get("page_link")
    assert link.proto.label == "Go to Attention"
    assert link.proto.query_string == "look=Attention"
    step = LESSONS["aligning"].steps[1]
    app = go(app, step)
    assert not card(app).get("page_link")


def test_a_button_leads_to_another_tab_of_the_same_page(open_page):
    app = start(open_page, "numbers")
    assert not card(app).get("page_link")
    app.button(key="lesson_tab").click().run()
    assert app.session_state["learn"] == "Sandbox"
    assert progress(app).startswith("1 of")
    assert "lesson_tab" not in [button.key for button in app.button]


def test_the_control_of_the_step_is_marked_and_no_other(open_page, text):
    app = start(open_page, "numbers")
    assert "The lesson means this one" not in text(app)
    app.button(key="lesson_tab").click().run()
    assert text(app).count("The lesson means this one") == 1
    app.button(key="lesson_end").click().run()
    assert "The lesson means this one" not in text(app)


def test_a_control_of_another_tab_does_not_count(open_page):
    app, steps = start(open_page, "looking"), LESSONS["looking"].steps
    (number,) = (number for number, step in enumerate(steps) if step.control == "image")
    for _ in range(number):
        app.button(key="lesson_skip").click().run()
    app = go(app, steps[number + 1])  # the same page, another tab
    assert steps[number + 1].tab != steps[number].tab
    app.get_by_key("image").set_value("3").run()
    assert progress(app).startswith(f"{number} of")


def test_without_a_lesson_a_page_has_no_card(open_page):
    app = open_page(pages.LEARN, learn="Sandbox")
    assert card(app) is None


def test_the_page_lists_all_lessons_and_has_notes_for_a_demo(open_page, text):
    app = open_page(pages.LEARN)
    assert "What not to claim" in text(app)
    titles = " ".join(header.value for header in app.subheader)
    assert all(lesson.title in titles for lesson in LESSONS.values())
