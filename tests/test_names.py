"""The menus' tables agree with what is really registered."""

from __future__ import annotations

from maskaq import names
from maskaq.quantization.backends import BACKENDS
from maskaq.synthesis.sources import SOURCES


def test_sources_are_those_that_are_registered():
    assert dict(names.SOURCE_NAMES) == {name: made.__doc__ for name, made in SOURCES.items()}
    assert set(names.SOURCE_NAMES) > names.DRAWING


def test_back_ends_are_those_that_are_registered():
    registered = {name: backend.description for name, backend in BACKENDS.items()}
    assert dict(names.BACKEND_NAMES) == registered
    assert set(names.BACKEND_NAMES) > names.DISTILLING
