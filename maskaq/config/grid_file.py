"""Specs and grids as files. A grid file describes many runs in a few lines of TOML.

    method = "maskaq"                  # settings of every run, by their dotted names
    eval_images = 1000
    repeats = 3                        # seeds 0, 1 and 2

    [grid]                             # every combination
    bits = ["W4A4", "W3A3"]
    synthesis.source = ["maskaq", "mimiq"]

    [[runs]]                           # and this one
    bits = "W8A8"

`bits`, `method`, `source` and `backend` are short names.
"""

import itertools
import json
import math
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from maskaq.config.dotted import flat
from maskaq.config.overrides import replaced, settings_of
from maskaq.config.parsing import from_dict, parse_bits, parse_ratio
from maskaq.config.presets import spec_of
from maskaq.config.run_spec import RunSpec
from maskaq.errors import OptionError, unknown

LIMIT = 10_000  # runs of one grid
_LARGEST = 1 << 20  # bytes of a grid file
_LARGEST_RESULT = 16 << 20  # bytes of a spec or result
_GRID, _RUNS, _REPEATS = "grid", "runs", "repeats"
_SHORT: Mapping[str, str] = {"source": "synthesis.source", "backend": "fit.backend"}
_FIRST = ("method", "bits")  # applied first; all others override what these two set
Settings = dict[str, Any]


def read_spec(path: Path) -> RunSpec:
    """A spec from its JSON file, or from the JSON of a result.

    Raises:
        OptionError: the file cannot be read, or does not hold a spec.
    """
    try:
        with path.open("rb") as file:
            values = json.loads(file.read(_LARGEST_RESULT))
    except (OSError, ValueError, RecursionError) as error:
        raise OptionError(f"{path} cannot be read ({type(error).__name__}: {error}).") from error
    if isinstance(values, dict) and isinstance(values.get("spec"), dict):
        values = values["spec"]
    try:
        spec: RunSpec = from_dict(values)
    except TypeError as error:
        raise OptionError(f"{path} does not hold a spec ({error}).") from error
    return spec


def read_grid(path: Path) -> tuple[RunSpec, ...]:
    """The runs of a grid file, each once.

    Raises:
        OptionError: the file cannot be read or is not valid TOML, a name is unknown, a value is
            not allowed, or there are more than `LIMIT` runs.
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
    """The runs of a grid file, from its text.

    >>> [spec.quantization.name for spec in parse_grid('[grid]\\nbits = ["W8A8", "W4A4"]')]
    ['W8A8', 'W4A4']
    """
    try:
        values = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise OptionError(f"not valid TOML: {error}.") from error
    repeats = values.pop(_REPEATS, 1)
    axes = _axes(values.pop(_GRID, {}))
    single = _single(values.pop(_RUNS, []))
    base = _settings(values, extra=(_GRID, _RUNS, _REPEATS))
    if type(repeats) is not int or not 1 <= repeats <= LIMIT:
        raise OptionError(f"{_REPEATS} is {repeats!r}; allowed: 1 to {LIMIT}.")
    if repeats > 1 and any("seed" in one for one in (axes, *single)):
        raise OptionError(
            f"{_REPEATS} counts up from the one seed of all runs; remove the other seeds."
        )
    count = (math.prod(map(len, axes.values())) * bool(axes or not single) + len(single)) * repeats
    if count > LIMIT:
        raise OptionError(f"the grid has {count:,} runs; allowed: {LIMIT:,}. Take fewer values.")
    product = itertools.product(*axes.values()) if axes or not single else ()
    crossed = (dict(zip(axes, chosen, strict=True)) for chosen in product)
    specs = [_spec(base | own) for own in (*crossed, *single)]
    seeded = (replaced(spec, {"seed": spec.seed + n}) for spec in specs for n in range(repeats))
    return tuple(dict.fromkeys(seeded))


def to_toml(specs: Iterable[RunSpec]) -> str:
    """A grid file of these runs: the settings all share, then those of each run.

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
    runs = [settings_of(spec) for spec in specs]
    first, *others = runs
    common = {
        name: value
        for name, value in first.items()
        if all(name in other and other[name] == value for other in others)
    }
    tables = [_lines(common)]
    for run in runs if others else ():
        own = {name: value for name, value in run.items() if name not in common}
        tables.append(f"[[{_RUNS}]]\n{_lines(own)}")
    return "\n".join(tables)


def _lines(settings: Settings) -> str:
    """Settings as TOML. JSON writes numbers, lists and strings the same way, except for DEL."""
    texts = {name: json.dumps(value, ensure_ascii=False) for name, value in settings.items()}
    return "".join(f"{name} = {text}\n" for name, text in texts.items()).replace("\x7f", "\\u007f")


def _axes(table: Any) -> dict[str, list[Any]]:
    axes = _settings(_table(table, f"[{_GRID}]"))
    for name, values in axes.items():
        if not isinstance(values, list) or not values:
            raise OptionError(f"{name} in [{_GRID}] is {values!r}; expected a list of values.")
    return axes


def _single(tables: Any) -> list[Settings]:
    if not isinstance(tables, list):
        raise OptionError(f"{_RUNS} is {tables!r}; expected tables, each below [[{_RUNS}]].")
    return [_settings(_table(table, f"[[{_RUNS}]]")) for table in tables]


def _table(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise OptionError(f"{where} is {value!r}; expected a table of settings.")
    return value


def _settings(table: Mapping[str, Any], extra: tuple[str, ...] = ()) -> Settings:
    """Settings by their full names.

    Raises:
        OptionError: an unknown name.
    """
    known = {**flat(asdict(RunSpec())), **dict.fromkeys((*_FIRST, *_SHORT, *extra))}
    result: Settings = {}
    for name, value in flat(table).items():
        if name not in known:
            raise OptionError(unknown("setting", name, known))
        result[_SHORT.get(name, name)] = value
    return result


def _spec(settings: Settings) -> RunSpec:
    chosen = {"bits": "W4A4", "method": RunSpec.method}
    for name, usual in chosen.items():
        chosen[name] = settings.get(name, usual)
        if not isinstance(chosen[name], str):
            raise OptionError(f"{name} is {chosen[name]!r}; expected a string such as {usual!r}.")
    rest = {name: value for name, value in settings.items() if name not in _FIRST}
    if isinstance(ratio := rest.get("synthesis.mask_ratio"), int | float | str):
        rest["synthesis.mask_ratio"] = parse_ratio(str(ratio))
    spec = replaced(spec_of(chosen["method"], parse_bits(chosen["bits"])), rest)
    spec.canonical()  # raises for an unknown source or back-end
    return spec
