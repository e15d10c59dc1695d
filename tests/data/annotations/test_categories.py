"""Categories of a file and classes of a model: by name, by order, or refused."""

from pathlib import Path

import pytest

from maskaq.data.annotations.categories import classes_of
from maskaq.errors import DataError

FILE = Path("objects.json")
NAMES = ("person", "N/A", "traffic light", "N/A", "cat")


def test_names_are_matched_without_case_and_separators() -> None:
    categories = {1: "Cat", 2: "TRAFFIC_LIGHT", 90: "person"}
    assert classes_of(FILE, categories, {1, 2}, NAMES) == ({1: 4, 2: 2, 90: 0}, ())


def test_categories_without_objects_may_be_unknown() -> None:
    found, notes = classes_of(FILE, {0: "animals", 1: "cat"}, {1}, NAMES)
    assert found == {1: 4}
    assert notes == ("1 category without objects or a class of the model: animals",)


def test_as_many_categories_as_classes_are_matched_by_their_order() -> None:
    found, notes = classes_of(FILE, {9: "hat", 3: "Shoe", 7: "coat"}, {9, 3}, ["shoe", "a", "b"])
    assert found == {3: 0, 7: 1, 9: 2}
    assert notes == (
        "categories are matched with classes by their order, because the model does not have 1 "
        "name of them: 'hat' is 'b'",
    )


def test_the_order_is_not_used_if_a_name_is_at_another_place() -> None:
    with pytest.raises(DataError, match=r"1 category with objects that the model .*: 'pig'"):
        classes_of(FILE, {1: "cat", 2: "dog", 3: "pig"}, {1, 2, 3}, ["dog", "cat", "cow"])


def test_unknown_names_are_refused_with_the_nearest() -> None:
    categories = dict(enumerate(["persn", "traffic lights", "zebra", "w", "v", "cat"]))
    with pytest.raises(DataError) as refused:
        classes_of(FILE, categories, set(categories), NAMES)
    assert str(refused.value) == (
        "objects.json has 5 categories with objects that the model does not have: 'persn' (did you "
        "mean 'person'?), 'traffic lights' (did you mean 'traffic light'?), 'zebra' and 2 more. "
        "The model has 'person', 'N/A', 'traffic light' and 2 more; rename the categories, or pass "
        "the names of the model's classes with --class-names FILE."
    )


def test_a_name_of_several_classes_is_unknown() -> None:
    with pytest.raises(DataError, match=r"does not have: 'n/a'"):
        classes_of(FILE, {1: "n/a"}, {1}, NAMES)


def test_two_categories_of_one_class_are_refused() -> None:
    with pytest.raises(DataError, match=r"the categories 'cat' and 'CAT', which name the same cl"):
        classes_of(FILE, {1: "cat", 2: "CAT"}, {1, 2}, NAMES)
    assert classes_of(FILE, {1: "cat", 2: "CAT"}, {2}, NAMES)[0][2] == 4
