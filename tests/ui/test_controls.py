from __future__ import annotations

from dataclasses import asdict

import pytest

from maskaq.errors import OptionError
from maskaq.methods import spec_of
from maskaq.ui.controls import LIMITS, Choice, build, title

CHOICE = Choice(weight_bits=3, activation_bits=5, seed=7)
PAGE = {"source": "mimiq", "backend": "minmax", "images": 8, "steps": 20, "mask_ratio": (0.2, 0.6)}


def test_every_control_reaches_the_spec_and_nothing_else_changes():
    spec = build(CHOICE, **PAGE)
    wanted = asdict(spec_of("maskaq", (3, 5)))
    wanted["seed"] = 7
    wanted["synthesis"] |= {"source": "mimiq", "images": 8, "steps": 20, "mask_ratio": (0.6, 0.2)}
    wanted["fit"] |= {"backend": "minmax"}
    assert asdict(spec) == wanted


def test_the_defaults_are_those_of_the_method():
    start = spec_of("maskaq")
    same = build(
        Choice(4, 4, 0),
        source=start.synthesis.source,
        backend=start.fit.backend,
        images=start.synthesis.images,
        steps=start.synthesis.steps,
        mask_ratio=sorted(start.synthesis.mask_ratio),
    )
    assert same == start


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize("end", [0, 1])
def test_values_beyond_the_sliders_are_refused(name, end):
    low, high = LIMITS[name]
    assert build(CHOICE, **(PAGE | {name: LIMITS[name][end]}))
    value = low - 1 if end == 0 else high + 1
    with pytest.raises(OptionError, match=f"{name} is {value}; allowed here: {low} to {high}"):
        build(CHOICE, **(PAGE | {name: value}))


def test_a_run_is_named_by_what_was_chosen():
    assert title(build(CHOICE, **PAGE)) == "W3A5, 8 images from mimiq, back-end minmax, seed 7"
    assert CHOICE.bits == "W3A5"
