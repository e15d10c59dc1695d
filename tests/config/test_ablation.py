from dataclasses import asdict, fields, replace
from typing import Any

import pytest

from maskaq.config import Coefficients, RunSpec
from maskaq.config.ablation import AXES, LIMIT, grid, label
from maskaq.config.components import SOURCES
from maskaq.config.presets import spec_of
from maskaq.errors import OptionError

METHOD = spec_of("maskaq")
BASE = replace(METHOD, fit=replace(METHOD.fit, backend="lsq-kd"))  # the one that refreshes


def difference(one: dict[str, Any], other: dict[str, Any], before: str = "") -> set[str]:
    """Dotted names of the settings that differ."""
    found: set[str] = set()
    for name, value in one.items():
        if isinstance(value, dict):
            found |= difference(value, other[name], f"{before}{name}.")
        elif value != other[name]:
            found.add(before + name)
    return found


def test_every_pair_once_and_the_second_axis_runs_faster() -> None:
    cells = grid(BASE, ("bits", ["W8A8", "W4A4"]), ("source", ["noise", "maskaq", "real"]))
    assert [cell.labels for cell in cells] == [
        ("W8A8", "noise"),
        ("W8A8", "maskaq"),
        ("W8A8", "real"),
        ("W4A4", "noise"),
        ("W4A4", "maskaq"),
        ("W4A4", "real"),
    ]
    assert [cell.spec.quantization.name for cell in cells] == ["W8A8"] * 3 + ["W4A4"] * 3
    assert [cell.spec.synthesis.source for cell in cells] == ["noise", "maskaq", "real"] * 2


TOUCHED = {
    "bits": {"quantization.weight_bits", "quantization.activation_bits"},
    "source": {"synthesis.source"},
    "mask_ratio": {"synthesis.mask_ratio"},
    "refresh": {"fit.refresh"},
} | {item.name: {f"synthesis.coefficients.{item.name}"} for item in fields(Coefficients)}


@pytest.mark.parametrize("name", list(AXES))
def test_an_axis_changes_its_own_setting_and_nothing_else(name: str) -> None:
    touched: set[str] = set()
    specs = set()
    for value in AXES[name].values:
        spec = AXES[name].apply(BASE, value)
        touched |= difference(asdict(BASE), asdict(spec))
        specs.add(str(spec))
    assert touched == TOUCHED[name]
    assert len(specs) == len(AXES[name].values)  # every value makes another run


def test_every_coefficient_and_every_source_is_on_an_axis() -> None:
    assert {item.name for item in fields(Coefficients)} <= set(AXES)
    assert AXES["source"].values == tuple(SOURCES)
    assert set(AXES["source"].first) == {name for name in SOURCES if SOURCES[name].shipped}
    assert len(AXES["source"].first) * len(AXES["bits"].first) <= LIMIT  # the page opens with them
    for item in fields(Coefficients):
        assert 0.0 in AXES[item.name].values  # without the term


def test_the_mask_ratio_never_grows_as_a_run_goes_on() -> None:
    assert AXES["mask_ratio"].apply(BASE, 0.1).synthesis.mask_ratio == (0.5, 0.1)
    assert AXES["mask_ratio"].apply(BASE, 1.0).synthesis.mask_ratio == (1.0, 1.0)


def test_refreshing_needs_a_back_end_that_does_it() -> None:
    on, off = (AXES["refresh"].apply(BASE, value).fit.refresh for value in (True, False))
    assert 0 < on < BASE.fit.epochs
    assert off == 0
    still = replace(BASE, fit=replace(BASE.fit, backend="mse"))
    with pytest.raises(OptionError, match="'mse' never refreshes"):
        AXES["refresh"].apply(still, True)


@pytest.mark.parametrize(
    "a, b, reason",
    [
        (("bits", ["W4A4"]), ("bits", ["W8A8"]), "both axes are bits"),
        (("bit", ["W4A4"]), ("source", ["noise"]), "did you mean 'bits'"),
        (("bits", []), ("source", ["noise"]), "one or more"),
        (("bits", ["W4A4", "W4A4"]), ("source", ["noise"]), "once"),
        (("bits", ["W9A4"]), ("source", ["noise"]), "W2A2 to W8A8"),
        (("bits", ["W4A4"]), ("source", ["nose"]), "did you mean 'noise'"),
        (("bits", ["W4A4"]), ("mask_ratio", [1.5]), "mask ratio is 1.5"),
        (("bits", ["W4A4"]), ("mask_ratio", ["half"]), "expected a number"),
        (("bits", ["W4A4"]), ("tv", [-1.0]), "tv is -1.0"),
        (("bits", ["W4A4"]), ("tv", [True]), "expected a number"),
    ],
)
def test_grids_that_make_no_sense(a: Any, b: Any, reason: str) -> None:
    with pytest.raises(OptionError, match=reason):
        grid(RunSpec(), a, b)


@pytest.mark.parametrize(
    "value, text", [(True, "on"), (False, "off"), (0.1, "0.1"), (2.5e-5, "2.5e-05"), ("a", "a")]
)
def test_values_in_words(value: Any, text: str) -> None:
    assert label(value) == text
