"""Numbers that a visitor has typed or pasted."""

import re

import numpy as np
from numpy.typing import NDArray

from maskaq.errors import DataError
from maskaq.ui.state import url

MOST = 4096  # numbers
MOST_CHARACTERS = 32 * MOST
EXAMPLE = "0.02 -0.31 0.27 0.05 -0.12 0.44 -0.08 0.19 -0.5 0.33 0.01 2.4"
_LARGEST, _SMALLEST = 1e9, 1e-9  # absolute values; beyond them squares of float32 lose digits
_BETWEEN = re.compile(r"[\s,;]+")


def parse(text: str) -> NDArray[np.float32]:
    """Read numbers separated by spaces, commas, semicolons or line breaks: float32 [n].

    Raises:
        DataError: no numbers, too many, or one that is none or out of range.
    """
    if len(text) > MOST_CHARACTERS:
        raise DataError(
            f"The text has {len(text):,} characters; allowed: {MOST_CHARACTERS:,}. Paste fewer "
            "numbers, or numbers with fewer digits."
        )
    words = [word for word in _BETWEEN.split(text) if word]
    if not 1 <= len(words) <= MOST:
        raise DataError(f"The text has {len(words):,} numbers; allowed: 1 to {MOST:,}.")
    return np.array([_number(word, place) for place, word in enumerate(words, 1)], np.float32)


def _number(word: str, place: int) -> float:
    try:
        value = url.number(word)
    except ValueError:
        value = np.nan
    if value != 0 and not _SMALLEST <= abs(value) <= _LARGEST:
        raise DataError(
            f"Number {place} is {url.shorten(word)}; allowed: 0, or a number with an absolute "
            f"value of {_SMALLEST:g} to {_LARGEST:g}, with a point for decimals."
        )
    return value
