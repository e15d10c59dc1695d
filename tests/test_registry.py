"""Registries: registered names are found, others are refused."""

import math

import pytest

from maskaq.errors import OptionError
from maskaq.registry import Implementations, Registry


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


def test_an_unknown_name_is_refused_with_the_nearest(colours: Registry[str]) -> None:
    with pytest.raises(
        OptionError, match=r"unknown colour 'blu'; did you mean 'blue'\? .*blue, red"
    ):
        colours["blu"]


def test_a_name_cannot_be_registered_twice(colours: Registry[str]) -> None:
    with pytest.raises(OptionError, match="colour 'red' is registered twice"):
        colours.register("red")("#e00")
    assert colours["red"] == "#f00"
    del colours["red"]
    assert colours.add("red", "#e00") == "#e00"


class Info:
    implementation = "math:isqrt"


def test_implementations_are_imported_by_name() -> None:
    infos: Registry[Info] = Registry("function")
    functions: Implementations[object] = Implementations(infos)
    infos.add("root", Info())
    assert functions["root"] is math.isqrt
    assert (list(functions), len(functions), "power" in functions) == (["root"], 1, False)
    with pytest.raises(OptionError, match="unknown function 'rot'; did you mean 'root'"):
        functions["rot"]
