"""Small grids of runs in which two settings vary, for the app's page Ablation."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from maskaq.config.components import BACKENDS, SOURCES, TERMS
from maskaq.config.parsing import parse_bits
from maskaq.config.run_spec import RunSpec
from maskaq.errors import OptionError
from maskaq.registry import Registry

LIMIT = 25  # runs of one grid
Value = str | float | bool
_REFRESHES = 3  # per run, where refreshing is on


@dataclass(frozen=True)
class Axis:
    """A setting that may vary.

    description: for menus. offered: returns the values that menus offer; any other value that the
    setting allows works too. preselected: returns those of them that are selected at first. apply:
    returns the spec with a value set.
    """

    name: str
    description: str
    offered: Callable[[], tuple[Value, ...]]
    preselected: Callable[[], tuple[Value, ...]]
    apply: Callable[[RunSpec, Value], RunSpec]

    @property
    def values(self) -> tuple[Value, ...]:
        """The values that menus offer."""
        return self.offered()

    @property
    def first(self) -> tuple[Value, ...]:
        """The values that are selected at first."""
        return self.preselected()


@dataclass(frozen=True)
class Cell:
    """One run of a grid. labels: its values on the first and on the second axis, as text."""

    spec: RunSpec
    labels: tuple[str, str]


AXES: Registry[Axis] = Registry("axis")


def grid(
    base: RunSpec,
    a: tuple[str, Sequence[Value]],
    b: tuple[str, Sequence[Value]],
) -> list[Cell]:
    """All pairs of values of two axes; the second varies fastest.

    Args:
        base: all other settings. a, b: name in `AXES`, and its values.

    Raises:
        OptionError: the same axis twice, an unknown axis, no value, a value twice, or a value that
            is not allowed.

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
    """A value as text.

    >>> label(True), label(2.5e-5), label("noise")
    ('on', '2.5e-05', 'noise')
    """
    if isinstance(value, bool):
        return "on" if value else "off"
    return value if isinstance(value, str) else f"{value:g}"


Apply = Callable[[RunSpec, Value], RunSpec]
Values = Callable[[], tuple[Value, ...]]


def _axis(
    name: str, description: str, values: Values, first: Values | None = None
) -> Callable[[Apply], None]:
    def add(apply: Apply) -> None:
        AXES.add(name, Axis(name, description, values, first or values, apply))

    return add


@_axis("bits", "bits of weights and activations", lambda: ("W8A8", "W4A4", "W3A3", "W2A4"))
def _bits(spec: RunSpec, value: Value) -> RunSpec:
    weights, activations = parse_bits(str(value))
    formats = replace(spec.quantization, weight_bits=weights, activation_bits=activations)
    return replace(spec, quantization=formats)


@_axis(
    "source",
    "where the calibration images come from",
    lambda: tuple(SOURCES),
    lambda: tuple(name for name, info in SOURCES.items() if info.shipped),
)
def _source(spec: RunSpec, value: Value) -> RunSpec:
    SOURCES[str(value)]  # an unknown name raises
    return replace(spec, synthesis=replace(spec.synthesis, source=str(value)))


@_axis(
    "mask_ratio",
    "share of informative patches in the last step",
    lambda: (0.05, 0.1, 0.3, 0.5, 1.0),
)
def _mask_ratio(spec: RunSpec, value: Value) -> RunSpec:
    end = _number("mask_ratio", value)
    start = max(spec.synthesis.mask_ratio[0], end)  # the share only ever shrinks
    return replace(spec, synthesis=replace(spec.synthesis, mask_ratio=(start, end)))


@_axis("refresh", "calibration images refreshed against Q during the fit", lambda: (False, True))
def _refresh(spec: RunSpec, value: Value) -> RunSpec:
    if not BACKENDS[spec.fit.backend].distils:
        able = sorted(name for name, info in BACKENDS.items() if info.distils)
        raise OptionError(
            f"back-end {spec.fit.backend!r} never refreshes its images; "
            f"allowed with the axis refresh: {', '.join(able)}."
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

    _axis(name, f"coefficient of the term {name}", lambda: values)(apply)


for _name, _term in TERMS.items():
    _coefficient(_name, _term.values)
