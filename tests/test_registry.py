"""The registry: what is added is found, what is not is refused."""

from __future__ import annotations

import pytest

from maskaq.errors import OptionError
from maskaq.registry import Registry


@pytest.fixture
def colours() -> Registry[str]:
    table: Registry[str] = Registry("colour")
    assert table.register("red")("#f00") == "#f00"
    table.register("blue")("#00f")
    return table


def test_entries_keep_their_order(colours: Registry[str]) -> None:
    assert dict(colours) == {"red": "#f00", "blue": "#00f"}
    assert (list(colours), len(colours)) == (["red", "blue"], 2)
    assert "red" in colours
    assert "rad" not in colours
    assert 3 not in colours


def test_a_wrong_name_is_answered_with_the_nearest(colours: Registry[str]) -> None:
    with pytest.raises(
        OptionError, match=r"unknown colour 'blu'; did you mean 'blue'\? .*blue, red"
    ):
        colours["blu"]


def test_a_name_is_taken_once(colours: Registry[str]) -> None:
    with pytest.raises(OptionError, match="colour 'red' is registered twice"):
        colours.register("red")("#e00")
    assert colours["red"] == "#f00"
