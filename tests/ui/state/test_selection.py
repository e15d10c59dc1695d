from dataclasses import asdict

import pytest

from maskaq.config import Coefficients
from maskaq.config.components import SOURCES
from maskaq.config.presets import spec_of
from maskaq.errors import OptionError
from maskaq.ui.state.selection import DEFAULT, LIMITS, Choice, build, title
from maskaq.ui.state.uploads import Own

CHOICE = Choice(weight_bits=3, activation_bits=5, seed=7, mask_ratio=0.2)
PAGE = {"source": "maskaq", "backend": "lsq-kd", "images": 8, "steps": 20, "mask_start": 0.6}


def test_the_spec_contains_every_control_and_nothing_else_changes():
    terms = Coefficients(one_hot=1.0, tv=0.5)
    more = {"coefficients": terms, "first_last": "target", "refresh": 3, "eval_images": 500}
    spec = build(CHOICE, **PAGE, **more)
    expected = asdict(spec_of("maskaq", (3, 5)))
    expected |= {"seed": 7, "eval_images": 500}
    expected["synthesis"] |= {"images": 8, "steps": 20, "mask_ratio": (0.6, 0.2)}
    expected["synthesis"]["coefficients"] = asdict(terms)
    expected["fit"] |= {"backend": "lsq-kd", "mask_ratio": 0.2, "refresh": 3}
    expected["quantization"] |= {"first_last": "target"}
    assert asdict(spec) == expected


@pytest.mark.parametrize("source", ["noise", "real", "mimiq", "psaq"])
def test_controls_without_effect_do_not_change_the_run(source):
    page = PAGE | {"source": source, "backend": "minmax"}
    idle = {"mask_start": 0.9, "refresh": 5}
    idle |= {} if SOURCES[source].synthesizes else {"steps": 50}
    other = Choice(weight_bits=3, activation_bits=5, seed=7, mask_ratio=0.7, block=2, image=3)
    assert build(CHOICE, **page) == build(other, **(page | idle))


def test_the_defaults_are_those_of_the_method():
    preset = spec_of("maskaq")
    synthesis = preset.synthesis
    same = build(
        DEFAULT,
        source=synthesis.source,
        backend=preset.fit.backend,
        images=synthesis.images,
        steps=synthesis.steps,
        mask_start=synthesis.mask_ratio[0],
    )
    assert same == preset


def test_the_spec_contains_the_visitors_own_model_and_images():
    own = Own(None, "w.safetensors", "folder", "names.txt", True)
    spec = build(Choice(model="deit_tiny_patch16_224", own=own), **PAGE)
    assert (spec.model, spec.weights, spec.data) == (
        "deit_tiny_patch16_224",
        "w.safetensors",
        "folder",
    )
    assert (spec.class_names, spec.skip_unreadable) == ("names.txt", True)


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize("end", [0, 1])
def test_values_beyond_the_sliders_are_refused(name, end):
    low, high = LIMITS[name]
    assert build(CHOICE, **(PAGE | {name: LIMITS[name][end]}))
    value = low - 1 if end == 0 else high + 1
    with pytest.raises(OptionError, match=f"{name} is {value}; allowed here: {low} to {high}"):
        build(CHOICE, **(PAGE | {name: value}))


def test_the_title_of_a_run_contains_its_settings():
    assert title(build(CHOICE, **PAGE)) == "W3A5, 8 images from maskaq, back-end lsq-kd, seed 7"
    other = Choice(model="deit_tiny_patch16_224")
    assert title(build(other, **PAGE)).startswith("deit_tiny_patch16_224, W4A4, ")
    assert CHOICE.bits == "W3A5"


def test_a_choice_has_the_shape_of_its_model():
    assert DEFAULT.shape.depth == 6
