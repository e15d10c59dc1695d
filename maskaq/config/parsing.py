"""Settings from text, JSON and plain values, and back."""

import json
import re
from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields, is_dataclass
from functools import cache
from typing import Any, NamedTuple, get_args, get_origin, get_type_hints

from maskaq.config.run_spec import RunSpec
from maskaq.errors import OptionError, unknown


def parse_bits(text: str) -> tuple[int, int]:
    """Weight and activation bits of a name like `W4A8`.

    >>> parse_bits("w4a8")
    (4, 8)
    """
    match = re.fullmatch(r"[wW]([2-8])[aA]([2-8])", text.strip())
    if match is None:
        raise OptionError(f"bits are {text!r}; allowed: W2A2 to W8A8, such as W4A4.")
    return int(match[1]), int(match[2])


def parse_ratio(text: str) -> tuple[float, float]:
    """Mask ratio at start and end, from `0.5:0.1`, or one fixed ratio from `0.3`.

    >>> parse_ratio("0.3")
    (0.3, 0.3)
    """
    try:
        parts = [float(part) for part in text.split(":")]
    except ValueError:
        parts = []
    if len(parts) not in (1, 2) or not all(0 < part <= 1 for part in parts):
        raise OptionError(f"mask ratio is {text!r}; allowed: START:END or one number, in (0, 1].")
    return parts[0], parts[-1]


class Every(NamedTuple):
    """An interval in seconds or in steps; neither means never."""

    seconds: float | None = None
    steps: int | None = None


def parse_every(text: str) -> Every:
    """Seconds from `30s`, steps from `100`, never from `off`.

    >>> parse_every("30s"), parse_every("100").steps, parse_every("off") == Every()
    (Every(seconds=30.0, steps=None), 100, True)
    """
    match = re.fullmatch(r"(\d{1,6})(s?)", text.strip())
    if text.strip() != "off" and (match is None or not int(match[1])):
        raise OptionError(
            f"{text!r} is not an interval; allowed: seconds as 30s, steps as 100, off."
        )
    if match is None:
        return Every()
    return Every(seconds=float(match[1])) if match[2] else Every(steps=int(match[1]))


def duration(seconds: float) -> str:
    """A duration in words.

    >>> duration(42.4), duration(600), duration(9000)
    ('42 s', '10 min', '2.5 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 90 else f"{minutes / 60:.1f} h"


def to_json(spec: RunSpec) -> str:
    """Indented JSON with every setting."""
    return json.dumps(asdict(spec), indent=2)


def from_dict(values: Mapping[str, Any], kind: type = RunSpec, where: str = "spec") -> Any:
    """Build a settings dataclass from plain values; the inverse of `dataclasses.asdict`.

    Raises:
        OptionError: unknown key (with the nearest known one), wrong type, or value out of range.
    """
    if not isinstance(values, Mapping):
        raise OptionError(f"{where} is {values!r}; expected a table of settings.")
    hints, needed = _hints(kind)
    converted: dict[str, Any] = {}
    for name, value in values.items():
        if name not in hints:
            raise OptionError(unknown(f"setting in {where}", name, hints))
        converted[name] = _convert(value, hints[name], f"{where}.{name}")
    if missing := needed - set(converted):
        raise OptionError(f"{where} lacks {', '.join(sorted(missing))}.")
    return kind(**converted)


@cache
def _hints(kind: type) -> tuple[dict[str, Any], frozenset[str]]:
    """Types of a dataclass's fields by name, and those without a default."""
    known, hints = fields(kind), get_type_hints(kind)
    needed = (f.name for f in known if f.default is MISSING and f.default_factory is MISSING)
    return {f.name: hints[f.name] for f in known}, frozenset(needed)


def _convert(value: Any, hint: Any, where: str) -> Any:
    if is_dataclass(hint):
        return from_dict(value, hint, where)  # type: ignore[arg-type]
    parts = get_args(hint)
    if type(None) in parts:  # float | None
        return None if value is None else _convert(value, parts[0], where)
    if get_origin(hint) is Mapping:
        if not isinstance(value, Mapping):
            raise OptionError(f"{where} is {value!r}; expected names with values.")
        return {str(name): _convert(v, parts[1], f"{where}.{name}") for name, v in value.items()}
    if parts:
        return _convert_all(value, parts, where)
    if hint is float and type(value) is int:
        return _float(value, where)
    if type(value) is not hint:
        raise OptionError(f"{where} is {value!r}; expected {hint.__name__}.")
    return value


def _convert_all(value: Any, parts: tuple[Any, ...], where: str) -> tuple[Any, ...]:
    """A tuple of fixed length, or with `...` of any length."""
    if parts[-1] is ...:
        if not isinstance(value, list | tuple):
            raise OptionError(f"{where} is {value!r}; expected a list.")
        parts = (parts[0],) * len(value)
    if not isinstance(value, list | tuple) or len(value) != len(parts):
        raise OptionError(f"{where} is {value!r}; expected {len(parts)} numbers.")
    return tuple(_convert(v, part, where) for v, part in zip(value, parts, strict=True))


def _float(value: int, where: str) -> float:
    try:
        return float(value)
    except OverflowError as error:
        raise OptionError(f"{where} is too large for a float.") from error
