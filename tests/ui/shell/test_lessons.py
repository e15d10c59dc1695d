"""The file of the lessons: what it says is checked, and a mistake is named with its place."""

import pytest

from maskaq.errors import OptionError
from maskaq.ui.shell import lessons
from maskaq.ui.state import pages

HEAD = 'title = "T"\nlearn = "L"\nquestion = "Q"\nanswer = "A"\n'
PLACE = 'page = "learn"\ntab = "Sandbox"\n'
WORDS = 'text = "Do."\nnotice = "See."\n'


def one(step: str, head: str = HEAD) -> lessons.Lesson:
    return lessons.parse(f"[a]\n{head}\n[[a.steps]]\n{step}")["a"]


def test_a_lesson_is_read_with_its_texts_in_one_line():
    head = HEAD.replace('"L"', '"""\none\ntwo"""')
    lesson = one(f'{PLACE}control = "bits"\ngoal = [2, 3]\n{WORDS}', head)
    assert lesson.learn == "one two"
    (step,) = lesson.steps
    assert (step.page, step.tab, step.query) == (pages.LEARN, "Sandbox", {"learn": "Sandbox"})
    assert step.reached(3, before=4)
    assert not step.reached(4, before=5)


def test_a_step_without_a_goal_is_completed_by_any_change():
    (step,) = one(f'{PLACE}control = "bits"\n{WORDS}').steps
    assert not step.reached(4, before=4)
    assert step.reached(5, before=4)


def test_a_smallest_value_completes_a_step():
    step_text = f'page = "look_inside"\ntab = "Attention"\ncontrol = "mask_ratio"\n{WORDS}'
    (step,) = one(f"{step_text}at_least = 0.3").steps
    assert step.reached(0.3, before=0.25)
    assert not step.reached(0.25, before=0.5)
    assert not step.reached("0.4", before=0.5)


@pytest.mark.parametrize(
    "step, message",
    [
        (f'page = "lern"\n{WORDS}', "step 1: unknown page 'lern'; did you mean 'learn'"),
        (f'page = "learn"\ntab = "Sandbx"\n{WORDS}', "did you mean 'Sandbox'"),
        (f'page = "learn"\n{WORDS}', "unknown tab of Learn ''"),
        (f'{PLACE}control = "head"\n{WORDS}', "'head' does not act on Learn Sandbox"),
        (f'{PLACE}control = "run"\ngoal = ["x"]\n{WORDS}', "a goal needs a control"),
        (f"{PLACE}at_least = 2\n{WORDS}", "a goal needs a control"),
        (f'{PLACE}text = "Do."', "'notice' is missing or empty"),
        (f'{PLACE}{WORDS}gaol = ["x"]', "unknown field 'gaol'; did you mean 'goal'"),
    ],
)
def test_a_mistake_in_a_step_is_named(step: str, message: str):
    with pytest.raises(OptionError, match="lesson 'a', step 1") as caught:
        one(step)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "text, message",
    [
        (f"[a]\n{HEAD}", "'steps' is missing or empty"),
        (f'[a]\ntitle = ""\n[[a.steps]]\n{PLACE}{WORDS}', "'title' is missing or empty"),
    ],
)
def test_a_mistake_in_a_lesson_is_named(text: str, message: str):
    with pytest.raises(OptionError, match="lesson 'a': ") as caught:
        lessons.parse(text)
    assert message in str(caught.value)


def test_there_are_four_lessons_with_short_steps():
    assert list(lessons.LESSONS) == ["numbers", "looking", "dreaming", "aligning"]
    for lesson in lessons.LESSONS.values():
        for step in lesson.steps:
            assert len(step.text.split()) + len(step.notice.split()) <= 60  # the card stays short
