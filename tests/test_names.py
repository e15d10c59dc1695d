"""The menus' tables agree with what is really registered."""

from __future__ import annotations

from dataclasses import replace

from maskaq import names
from maskaq.config import Coefficients, SynthesisOptions
from maskaq.quantization.backends import BACKENDS
from maskaq.synthesis.sources import SOURCES


def test_sources_are_those_that_are_registered():
    assert dict(names.SOURCE_NAMES) == {name: made.__doc__ for name, made in SOURCES.items()}
    assert set(names.SOURCE_NAMES) > names.DRAWING > set(names.OWN_TERMS)
    assert set(names.SHIPPED) <= set(names.SOURCE_NAMES)


def test_terms_of_a_source_are_its_own_or_those_of_the_run():
    mine = SynthesisOptions(coefficients=Coefficients(one_hot=3.0))
    assert names.coefficients_of(mine) == mine.coefficients
    assert names.coefficients_of(replace(mine, source="psaq")) == names.OWN_TERMS["psaq"]


def test_back_ends_are_those_that_are_registered():
    registered = {name: backend.description for name, backend in BACKENDS.items()}
    assert dict(names.BACKEND_NAMES) == registered
    assert set(names.BACKEND_NAMES) > names.LEARNING > names.DISTILLING
