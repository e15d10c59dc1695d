"""Small grids of runs: two settings vary, everything else stays (the app's page Ablation)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields, replace

from maskaq.config.components import DISTILLING, SHIPPED, SOURCE_NAMES
from maskaq.config.options import Coefficients, RunSpec
from maskaq.config.parsing import parse_bits
from maskaq.errors import OptionError, unknown
from maskaq.registry import Registry

__all__ = ["AXES", "LIMIT", "Axis", "Cell", "grid"]

LIMIT = 25  # runs of a grid that are computed in one go
Value = str | float | bool
_REFRESHES = 3  # per run, where refreshing is on


@dataclass(frozen=True)
class Axis:
    """A setting that may vary. description: for menus. values: what menus offer, others that the
    setting allows will do; first: which of them are chosen before anybody has chosen. apply: the
    spec with a value in it."""

    name: str
    description: str
    values: tuple[Value, ...]
    first: tuple[Value, ...]
    apply: Callable[[RunSpec, Value], RunSpec]


@dataclass(frozen=True)
class Cell:
    """One run of a grid. labels: its value on the first and on the second axis, in words."""

    spec: RunSpec
    labels: tuple[str, str]


AXES: Registry[Axis] = Registry("axis")


def grid(
    base: RunSpec,
    a: tuple[str, Sequence[Value]],
    b: tuple[str, Sequence[Value]],
) -> list[Cell]:
    """All pairs of values of two axes, the second one faster.

    Args:
        base: every setting that does not vary. a, b: name in `AXES`, and the values to take.

    Raises:
        OptionError: an axis twice or unknown, no value or one twice, or a value that the setting
            does not allow.

    >>> [cell.labels for cell in grid(RunSpec(), ("bits", ["W4A4"]), ("mask_ratio", [0.1, 0.3]))]
    [('W4A4', '0.1'), ('W4A4', '0.3')]
    """
    axes = AXES[a[0]], AXES[b[0]]
    if axes[0] is axes[1]:
        raise OptionError(f"both axes are {a[0]}; choose two different ones.")
    for name, values in (a, b):
        if not values or len(set(values)) < len(values):
            raise OptionError(f"values of {name} are {list(values)}; allowed: one or more, once.")
    return [
        Cell(axes[1].apply(axes[0].apply(base, x), y), (label(x), label(y)))
        for x in a[1]
        for y in b[1]
    ]


def label(value: Value) -> str:
    """A value in words.

    >>> label(True), label(2.5e-5), label("noise")
    ('on', '2.5e-05', 'noise')
    """
    if isinstance(value, bool):
        return "on" if value else "off"
    return value if isinstance(value, str) else f"{value:g}"


def _axis(
    name: str, description: str, values: Iterable[Value], first: Iterable[Value] | None = None
) -> Callable[[Callable[[RunSpec, Value], RunSpec]], None]:
    def add(apply: Callable[[RunSpec, Value], RunSpec]) -> None:
        offered = tuple(values)
        chosen = offered if first is None else tuple(first)
        AXES.register(name)(Axis(name, description, offered, chosen, apply))

    return add


@_axis("bits", "bits of weights and activations", ("W8A8", "W4A4", "W3A3", "W2A4"))
def _bits(spec: RunSpec, value: Value) -> RunSpec:
    weights, activations = parse_bits(str(value))
    formats = replace(spec.quantization, weight_bits=weights, activation_bits=activations)
    return replace(spec, quantization=formats)


@_axis("source", "where the samples come from", SOURCE_NAMES, SHIPPED)
def _source(spec: RunSpec, value: Value) -> RunSpec:
    if value not in SOURCE_NAMES:
        raise OptionError(unknown("source", value, SOURCE_NAMES))
    return replace(spec, synthesis=replace(spec.synthesis, source=str(value)))


@_axis("mask_ratio", "share of informative patches at the last step", (0.05, 0.1, 0.3, 0.5, 1.0))
def _mask_ratio(spec: RunSpec, value: Value) -> RunSpec:
    end = _number("mask_ratio", value)
    start = max(spec.synthesis.mask_ratio[0], end)  # the share shrinks as the run goes on
    return replace(spec, synthesis=replace(spec.synthesis, mask_ratio=(start, end)))


@_axis("refresh", "samples drawn anew against Q during the fit", (False, True))
def _refresh(spec: RunSpec, value: Value) -> RunSpec:
    if spec.fit.backend not in DISTILLING:
        raise OptionError(
            f"back-end {spec.fit.backend!r} never refreshes its samples; "
            f"allowed with the axis refresh: {', '.join(sorted(DISTILLING))}."
        )
    epochs = spec.fit.refresh or max(1, spec.fit.epochs // _REFRESHES)
    return replace(spec, fit=replace(spec.fit, refresh=epochs if value else 0))


def _number(name: str, value: Value) -> float:
    if isinstance(value, bool | str):
        raise OptionError(f"{name} is {value!r}; expected a number.")
    return float(value)


def _coefficient(name: str, values: tuple[float, ...]) -> None:
    def apply(spec: RunSpec, value: Value) -> RunSpec:
        made = replace(spec.synthesis.coefficients, **{name: _number(name, value)})
        return replace(spec, synthesis=replace(spec.synthesis, coefficients=made))

    _axis(name, f"coefficient of the term {name}", values)(apply)


# Around the coefficients of the papers, 0 being without the term.
_OFFERED = {"tv": (0.0, 2.5e-5, 1e-4), "align": (0.0, 0.1, 1.0)}
for _field in fields(Coefficients):
    _coefficient(_field.name, _OFFERED.get(_field.name, (0.0, 0.5, 1.0)))
