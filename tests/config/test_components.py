"""The tables of sources, back-ends and terms, and how they decide which settings have an effect."""

from dataclasses import asdict, replace

import pytest

from maskaq.config import Coefficients, FitOptions, QuantOptions, RunSpec, SynthesisOptions
from maskaq.config.components import BACKENDS, SOURCES, TERMS, coefficients_of
from maskaq.config.dotted import flat, names_of
from maskaq.config.overrides import replaced
from maskaq.config.presets import METHODS, spec_of
from maskaq.errors import OptionError
from maskaq.quantization.backends import BACKENDS as FITS
from maskaq.quantization.backends import Backend
from maskaq.synthesis.sources import SOURCES as SYNTHESES

OTHER = {"augmentation": "none", "parametrisation": "pixels", "reading": "released"}


@pytest.mark.parametrize("name", list(SOURCES))
def test_every_source_has_its_implementation_and_known_settings(name: str) -> None:
    assert callable(SYNTHESES[name])
    assert SOURCES[name].settings <= set(names_of(SynthesisOptions()))
    assert SOURCES[name].description.endswith(".")


@pytest.mark.parametrize("name", list(BACKENDS))
def test_every_back_end_has_its_implementation_and_known_settings(name: str) -> None:
    assert isinstance(FITS[name], Backend)
    assert BACKENDS[name].settings <= set(names_of(FitOptions()))
    assert bool(BACKENDS[name].settings) == BACKENDS[name].learns


def test_every_coefficient_is_a_term() -> None:
    assert list(TERMS) == list(names_of(Coefficients()))


def test_unknown_names_are_answered_with_the_nearest() -> None:
    with pytest.raises(OptionError, match="did you mean 'maskaq'"):
        SYNTHESES["maskq"]
    with pytest.raises(OptionError, match="did you mean 'reconstruct'"):
        FITS["reconstuct"]


def test_coefficients_are_those_of_the_source_or_of_the_run() -> None:
    mine = SynthesisOptions(coefficients=Coefficients(one_hot=3.0))
    assert coefficients_of(mine) == mine.coefficients
    assert coefficients_of(replace(mine, source="psaq")) == SOURCES["psaq"].own_terms


def different(spec: RunSpec, name: str) -> RunSpec:
    """The spec with another value of one setting."""
    value = flat(asdict(spec))[name]
    other = OTHER.get(name.rpartition(".")[2])
    if name == "synthesis.mask_ratio":
        other = (0.4, 0.2)
    elif name == "fit.reading":
        other = "released"
    elif name == "fit.optimiser":
        other = "sgd"
    elif name == "fit.mask_weight":
        other = 3.0
    elif other is None:
        other = value + 1 if isinstance(value, int) else (value / 2 or 0.5)
    return replaced(spec, {name: other})


@pytest.mark.parametrize("source", list(SOURCES))
def test_exactly_the_settings_of_a_source_tell_runs_apart(source: str) -> None:
    base = replaced(spec_of("mimiq"), {"synthesis.source": source})
    for name in names_of(SynthesisOptions()):
        if name == "source":
            continue
        matters = name == "images" or name in SOURCES[source].settings
        other = different(base, f"synthesis.{name}")
        assert other != base
        assert (other.canonical() != base.canonical()) == matters, name


@pytest.mark.parametrize("backend", list(BACKENDS))
def test_exactly_the_settings_of_a_back_end_tell_runs_apart(backend: str) -> None:
    base = replaced(spec_of("mimiq", (3, 3)), {"fit.backend": backend})
    for name in names_of(FitOptions()):
        if name == "backend":
            continue
        other = different(base, f"fit.{name}")
        assert other != base
        used = name in BACKENDS[backend].settings_for(base.fit, base.fit, base.quantization)
        assert (other.canonical() != base.canonical()) == used, name


def test_settings_of_a_finetuning_that_does_not_take_place_have_no_effect() -> None:
    base = spec_of("maskaq", (5, 5))
    assert replaced(base, {"fit.reconstruction.tune": 7}).canonical() == base.canonical()
    for bits in (3, 4):  # 4: in detection
        few = spec_of("maskaq", (bits, bits))
        assert replaced(few, {"fit.reconstruction.tune": 7}).canonical() != few.canonical()
    off = replaced(spec_of("maskaq", (3, 3)), {"fit.reconstruction.tune": 0})
    assert off.canonical().fit.reconstruction.tuned(QuantOptions(3, 3)) == 0


def test_a_canonical_spec_stays_as_it_is() -> None:
    for name in METHODS:
        spec = spec_of(name).canonical()
        assert spec.canonical() == spec


def test_settings_of_block_learning_count_only_where_blocks_learn() -> None:
    base = spec_of("maskaq", (5, 5))
    assert replaced(base, {"fit.mask_weight": 3.0}).canonical() == base.canonical()
    assert replaced(base, {"fit.reconstruction.drop": 0.1}).canonical() == base.canonical()
    assert replaced(base, {"fit.reconstruction.batch": 4}).canonical() == base.canonical()
    learning = replaced(base, {"fit.reconstruction.steps": 20})
    assert learning.canonical() != base.canonical()
    for name, value in (
        ("fit.mask_weight", 3.0),
        ("fit.reconstruction.drop", 0.1),
        ("fit.reconstruction.batch", 4),
    ):
        assert replaced(learning, {name: value}).canonical() != learning.canonical()
