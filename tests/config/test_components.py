"""The menus' tables agree with what is really registered."""

from __future__ import annotations

from dataclasses import replace

from maskaq.config import Coefficients, SynthesisOptions, components
from maskaq.quantization.backends import BACKENDS
from maskaq.synthesis.sources import SOURCES


def test_sources_are_those_that_are_registered():
    assert dict(components.SOURCE_NAMES) == {name: made.__doc__ for name, made in SOURCES.items()}
    assert set(components.SOURCE_NAMES) > components.DRAWING > set(components.OWN_TERMS)
    assert set(components.SHIPPED) <= set(components.SOURCE_NAMES)


def test_terms_of_a_source_are_its_own_or_those_of_the_run():
    mine = SynthesisOptions(coefficients=Coefficients(one_hot=3.0))
    assert components.coefficients_of(mine) == mine.coefficients
    assert components.coefficients_of(replace(mine, source="psaq")) == components.OWN_TERMS["psaq"]


def test_back_ends_are_those_that_are_registered():
    registered = {name: backend.description for name, backend in BACKENDS.items()}
    assert dict(components.BACKEND_NAMES) == registered
    assert set(components.BACKEND_NAMES) > components.LEARNING > components.DISTILLING
