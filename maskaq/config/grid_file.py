"""Grid files: many runs from a few lines of TOML.

    method = "maskaq"                  # settings of every run, by their dotted names
    eval_images = 1000
    repeats = 3                        # seeds 0, 1 and 2

    [grid]                             # every combination of these
    bits = ["W4A4", "W3A3"]
    synthesis.source = ["maskaq", "mimiq"]

    [[runs]]                           # and these besides
    bits = "W8A8"

`bits`, `method`, `source` and `backend` are short for several or longer names.
"""

from __future__ import annotations

import itertools
import json
import math
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any

from maskaq.config.components import BACKEND_NAMES, SOURCE_NAMES
from maskaq.config.options import RunSpec
from maskaq.config.overrides import flat, replaced, told
from maskaq.config.parsing import parse_bits, parse_ratio
from maskaq.config.presets import spec_of
from maskaq.errors import OptionError, unknown

__all__ = ["LIMIT", "parse_grid", "read_grid", "to_toml"]

LIMIT = 10_000  # runs of one grid
_LARGEST = 1 << 20  # bytes of a file
_GRID, _RUNS, _REPEATS = "grid", "runs", "repeats"
_SHORT: Mapping[str, str] = MappingProxyType(
    {"source": "synthesis.source", "backend": "fit.backend"}
)
_FIRST = ("method", "bits")  # the others change what these two decide
Settings = dict[str, Any]


def read_grid(path: Path) -> tuple[RunSpec, ...]:
    """The runs of a grid file, each once.

    Raises:
        OptionError: the file cannot be read or is no TOML, a name is unknown, a value is not
            allowed, or there are more than `LIMIT` runs.
    """
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError as error:
        raise OptionError(f"{path} cannot be read ({error.strerror}).") from error
    if len(data) > _LARGEST:
        raise OptionError(f"{path} has more than {_LARGEST:,} bytes; a grid needs a few lines.")
    try:
        return parse_grid(data.decode())
    except UnicodeDecodeError as error:
        raise OptionError(f"{path} is not UTF-8 text ({error}).") from error
    except OptionError as error:
        raise OptionError(f"{path}: {error}") from error


def parse_grid(text: str) -> tuple[RunSpec, ...]:
    """The same from the text of a file.

    >>> [spec.quantization.name for spec in parse_grid('[grid]\\nbits = ["W8A8", "W4A4"]')]
    ['W8A8', 'W4A4']
    """
    try:
        values = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise OptionError(f"no TOML: {error}.") from error
    repeats = values.pop(_REPEATS, 1)
    axes = _axes(values.pop(_GRID, {}))
    alone = _alone(values.pop(_RUNS, []))
    base = _settings(values, extra=(_GRID, _RUNS, _REPEATS))
    if type(repeats) is not int or not 1 <= repeats <= LIMIT:
        raise OptionError(f"{_REPEATS} is {repeats!r}; allowed: 1 to {LIMIT}.")
    if repeats > 1 and any("seed" in one for one in (axes, *alone)):
        raise OptionError(f"{_REPEATS} counts seeds from that of all runs; leave out other seeds.")
    count = (math.prod(map(len, axes.values())) * bool(axes or not alone) + len(alone)) * repeats
    if count > LIMIT:
        raise OptionError(f"the grid has {count:,} runs; allowed: {LIMIT:,}. Take fewer values.")
    crossed = _crossed(axes) if axes or not alone else ()
    made = (_spec(base | own) for own in (*crossed, *alone))
    seeds = range(repeats)
    every = (replaced(spec, {"seed": spec.seed + n}) for spec in made for n in seeds)
    return tuple(dict.fromkeys(every))


def to_toml(specs: Iterable[RunSpec]) -> str:
    """A grid file of these runs: what all have in common, then what each has of its own.

    >>> print(to_toml(parse_grid('seed = 3\\n[grid]\\nbits = ["W8A8", "W4A4"]')))
    method = "maskaq"
    seed = 3
    <BLANKLINE>
    [[runs]]
    bits = "W8A8"
    <BLANKLINE>
    [[runs]]
    bits = "W4A4"
    <BLANKLINE>
    """
    every = [told(spec) for spec in specs]
    first, *others = every
    common = {
        name: value
        for name, value in first.items()
        if all(name in other and other[name] == value for other in others)
    }
    tables = [_lines(common)]
    for one in every if others else ():
        own = {name: value for name, value in one.items() if name not in common}
        tables.append(f"[[{_RUNS}]]\n{_lines(own)}")
    return "\n".join(tables)


def _lines(settings: Settings) -> str:
    """As TOML; JSON writes numbers, lists and texts in the same way, DEL aside."""
    texts = {name: json.dumps(value, ensure_ascii=False) for name, value in settings.items()}
    return "".join(f"{name} = {text}\n" for name, text in texts.items()).replace("\x7f", "\\u007f")


def _crossed(axes: Mapping[str, list[Any]]) -> Iterator[Settings]:
    for chosen in itertools.product(*axes.values()):
        yield dict(zip(axes, chosen, strict=True))


def _axes(table: Any) -> dict[str, list[Any]]:
    axes = _settings(_table(table, f"[{_GRID}]"))
    for name, values in axes.items():
        if not isinstance(values, list) or not values:
            raise OptionError(f"{name} in [{_GRID}] is {values!r}; expected a list of values.")
    return axes


def _alone(tables: Any) -> list[Settings]:
    if not isinstance(tables, list):
        raise OptionError(f"{_RUNS} is {tables!r}; expected tables, each below [[{_RUNS}]].")
    return [_settings(_table(table, f"[[{_RUNS}]]")) for table in tables]


def _table(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise OptionError(f"{where} is {value!r}; expected a table of settings.")
    return value


def _settings(table: Mapping[str, Any], extra: tuple[str, ...] = ()) -> Settings:
    """Settings by their long names, all of them known."""
    known = {**flat(asdict(RunSpec())), **dict.fromkeys((*_FIRST, *_SHORT, *extra))}
    made: Settings = {}
    for name, value in flat(table).items():
        if name not in known:
            raise OptionError(unknown("setting", name, known))
        made[_SHORT.get(name, name)] = value
    return made


def _spec(settings: Settings) -> RunSpec:
    chosen = {"bits": "W4A4", "method": RunSpec.method}
    for name, usual in chosen.items():
        chosen[name] = settings.get(name, usual)
        if not isinstance(chosen[name], str):
            raise OptionError(f"{name} is {chosen[name]!r}; expected a text such as {usual!r}.")
    rest = {name: value for name, value in settings.items() if name not in _FIRST}
    if isinstance(ratio := rest.get("synthesis.mask_ratio"), int | float | str):
        rest["synthesis.mask_ratio"] = parse_ratio(str(ratio))
    spec = replaced(spec_of(chosen["method"], parse_bits(chosen["bits"])), rest)
    for what, name, allowed in (
        ("source", spec.synthesis.source, SOURCE_NAMES),
        ("back-end", spec.fit.backend, BACKEND_NAMES),
    ):
        if name not in allowed:
            raise OptionError(unknown(what, name, allowed))
    return spec
