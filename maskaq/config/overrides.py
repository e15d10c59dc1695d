"""The command line that repeats a run."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

from maskaq.config.options import RunSpec
from maskaq.config.parsing import from_dict
from maskaq.config.presets import METHODS
from maskaq.errors import OptionError, unknown

# Settings that have an option of their own; `--set` reaches all others by the same dotted names.
_OPTIONS: Mapping[str, str] = {
    "--weights": "weights",
    "--data": "data",
    "--source": "synthesis.source",
    "--backend": "fit.backend",
    "--images": "synthesis.images",
    "--steps": "synthesis.steps",
    "--mask-ratio": "synthesis.mask_ratio",
    "--parametrisation": "synthesis.parametrisation",
    "--eval-images": "eval_images",
    "--holdout": "holdout",
    "--first-last": "quantization.first_last",
    "--precision": "precision",
    "--device": "device",
}
_FIRST = frozenset(("method", "quantization.weight_bits", "quantization.activation_bits"))


def command_of(spec: RunSpec) -> str:
    """`python -m maskaq run ...` for a spec: its method, and every setting that differs from it."""
    own = _own(spec)
    words = ["python", "-m", "maskaq", "run", "--model", spec.model]
    words += ["--bits", spec.quantization.name, "--method", spec.method, "--seed", str(spec.seed)]
    for option, name in _OPTIONS.items():
        if name in own:
            words += [option, _word(own[name])]
    for name in own:
        if name not in {*_OPTIONS.values(), "model", "seed"}:
            words += ["--set", f"{name}={_word(own[name])}"]
    return shlex.join(words)


def told(spec: RunSpec) -> dict[str, Any]:
    """Method, bits, and every setting that differs from the method's own, by dotted name.

    >>> told(replaced(METHODS["mimiq"].spec("mimiq"), {"fit.refresh": 3}))
    {'method': 'mimiq', 'bits': 'W4A4', 'fit.refresh': 3}
    """
    return {"method": spec.method, "bits": spec.quantization.name} | _own(spec)


def _own(spec: RunSpec) -> dict[str, Any]:
    mine, base = flat(asdict(spec)), flat(asdict(METHODS[spec.method].spec(spec.method)))
    return {
        name: value for name, value in mine.items() if value != base[name] and name not in _FIRST
    }


def flat(values: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """Every setting by its dotted name, from `dataclasses.asdict`.

    >>> flat({"seed": 1, "fit": {"lr": 0.1}})
    {'seed': 1, 'fit.lr': 0.1}
    """
    return dict(_leaves(values, before))


def _leaves(values: Mapping[str, Any], before: str) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if isinstance(value, dict):  # as JSON and `asdict` make them; a Mapping is looked up slowly
            yield from _leaves(value, f"{before}{name}.")
        else:
            yield before + name, value


def _word(value: object) -> str:
    if isinstance(value, tuple):  # mask ratio at start and end
        return ":".join(f"{part:g}" for part in value)
    return str(value)


def changed(spec: RunSpec, settings: Iterable[str]) -> RunSpec:
    """The spec with some settings replaced, each given as `NAME=VALUE` with its dotted name.

    Raises:
        OptionError: no such setting, or a value that it does not allow.

    >>> changed(RunSpec(), ["fit.refresh=3"]).fit.refresh
    3
    """
    values: dict[str, Any] = {}
    for text in settings:
        name, equals, value = text.partition("=")
        if not equals:
            raise OptionError(f"--set is {text!r}; expected NAME=VALUE, such as fit.refresh=3.")
        values[name] = _parsed(value)
    return replaced(spec, values)


def replaced(spec: RunSpec, settings: Mapping[str, Any]) -> RunSpec:
    """The spec with some settings replaced, each by its dotted name.

    Raises:
        OptionError: no such setting, or a value that it does not allow.

    >>> replaced(RunSpec(), {"fit.refresh": 3}).fit.refresh
    3
    """
    values = asdict(spec)
    known = flat(values)
    for name, value in settings.items():
        if name not in known:
            raise OptionError(unknown("setting", name, known))
        *groups, last = name.split(".")
        place = values
        for group in groups:
            place = place[group]
        place[last] = value
    made: RunSpec = from_dict(values)
    return made


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
