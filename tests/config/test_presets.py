"""What the named methods are made of."""

import pytest

from maskaq.config.components import BACKENDS, SOURCES
from maskaq.config.presets import METHODS, spec_of

PAIRS = {
    "psaq-vit": ("psaq", "minmax"),
    "mimiq": ("mimiq", "lsq-kd"),
    "sardfq": ("sardfq", "reconstruct"),
    "dfq-vit": ("e2h", "correction"),
    "maskaq-paper": ("maskaq", "lsq-kd"),
}


@pytest.mark.parametrize("name", list(METHODS))
def test_a_method_names_what_there_is(name: str) -> None:
    spec = spec_of(name, (3, 5))
    assert spec.synthesis.source in SOURCES
    assert spec.fit.backend in BACKENDS
    assert (spec.method, spec.quantization.name) == (name, "W3A5")


@pytest.mark.parametrize("name", list(PAIRS))
def test_published_methods_are_the_pairs_they_are_known_as(name: str) -> None:
    spec = spec_of(name)
    assert (spec.synthesis.source, spec.fit.backend) == PAIRS[name]
    if name != "maskaq-paper":  # what differs from ours is the method, not the effort
        ours = spec_of("maskaq").synthesis
        assert (spec.synthesis.images, spec.synthesis.steps) == (ours.images, ours.steps)


def test_masks_belong_to_maskaq_alone() -> None:
    weights = {name: spec_of(name).fit.mask_weight for name in METHODS}
    assert weights["mimiq"] == weights["sardfq"] == 1
    assert weights["maskaq"] == weights["maskaq-paper"] == 2
