import numpy as np
import pytest

from maskaq.errors import DataError
from maskaq.ui.sandbox import pasted


def test_numbers_are_separated_by_what_people_type():
    numbers = pasted.parse(" 1, 2;3\n\t-4.5e-1  0 ")
    assert numbers.dtype == np.float32
    np.testing.assert_allclose(numbers, [1, 2, 3, -0.45, 0], rtol=1e-6)


def test_as_many_as_allowed_are_accepted():
    assert pasted.parse(" 0.123456789" * pasted.MOST).size == pasted.MOST


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "The text has 0 numbers; allowed: 1 to 4,096"),
        (" ,; ", "The text has 0 numbers"),
        ("1 " * 4097, "The text has 4,097 numbers"),
        ("1" * (pasted.MOST_CHARACTERS + 1), "characters; allowed: 131,072"),
        ("1 nan", "Number 2 is `nan`"),
        ("inf", "Number 1 is `inf`"),
        ("1e300", "Number 1 is `1e300`"),
        ("1e-300", "Number 1 is `1e-300`"),
        ("1 2 0x10", "Number 3 is `0x10`"),
        ("1_0", "Number 1 is `1_0`"),
        ("٣", "Number 1 is"),
        ("<b>`", "Number 1 is `<b>'`"),
    ],
)
def test_anything_else_is_refused_with_the_reason(text, message):
    with pytest.raises(DataError) as caught:
        pasted.parse(text)
    assert message in str(caught.value)
