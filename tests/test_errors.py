"""The exceptions, and the message for an unknown name."""

import doctest
import inspect

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskaq import errors


def test_every_error_is_exported_and_a_maskaq_error() -> None:
    found = {
        name: kind
        for name, kind in vars(errors).items()
        if inspect.isclass(kind) and issubclass(kind, Exception)
    }
    assert set(found) == set(errors.__all__) - {"unknown"}
    for name, kind in found.items():
        assert issubclass(kind, errors.MaskaqError)
        assert kind.__doc__
        assert name in (errors.__doc__ or "")
    assert issubclass(errors.OptionError, ValueError)
    assert issubclass(errors.WeightsError, errors.ModelError)


@pytest.mark.parametrize(
    "value, hint", [("maskq", " did you mean 'maskaq'?"), ("xyz", ""), (7, ""), ("", "")]
)
def test_unknown_suggests_the_nearest_name(value: object, hint: str) -> None:
    message = errors.unknown("source", value, ["noise", "maskaq"])
    assert message == f"unknown source {value!r};{hint} Allowed: maskaq, noise."


@given(st.text())
def test_unknown_accepts_any_text(value: str) -> None:
    assert repr(value) in errors.unknown("source", value, ["maskaq"])


def test_the_docstring_examples_are_right() -> None:
    assert doctest.testmod(errors).failed == 0
