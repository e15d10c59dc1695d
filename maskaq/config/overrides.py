"""Settings by dotted name: how a run differs from its preset, and the command that repeats it."""

import json
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

from maskaq.config.dotted import flat
from maskaq.config.parsing import from_dict
from maskaq.config.presets import METHODS
from maskaq.config.run_spec import RunSpec
from maskaq.errors import OptionError, unknown

# Settings with their own option; `--set` takes all others by the same dotted names.
OPTIONS: Mapping[str, str] = {
    "--weights": "weights",
    "--data": "data",
    "--global-pool": "global_pool",
    "--class-names": "class_names",
    "--skip-unreadable": "skip_unreadable",
    "--source": "synthesis.source",
    "--backend": "fit.backend",
    "--images": "synthesis.images",
    "--steps": "synthesis.steps",
    "--mask-ratio": "synthesis.mask_ratio",
    "--parametrisation": "synthesis.parametrisation",
    "--eval-images": "eval_images",
    "--holdout": "holdout",
    "--first-last": "quantization.first_last",
    "--scheme": "quantization.scheme",
    "--average-bits": "quantization.average_bits",
    "--precision": "precision",
    "--device": "device",
}
_FIRST = frozenset(("method", "quantization.weight_bits", "quantization.activation_bits"))


def command_of(spec: RunSpec) -> str:
    """`python -m maskaq run ...` for a spec: its method, and every setting that differs from it."""
    own = _differences(spec, METHODS[spec.method].spec(spec.method))
    words = ["python", "-m", "maskaq", "run", "--model", spec.model]
    words += ["--bits", spec.quantization.pair, "--method", spec.method, "--seed", str(spec.seed)]
    for option, name in OPTIONS.items():
        if name in own:
            words += [option] if own[name] is True else [option, _word(own[name])]
    for name in own:
        if name not in {*OPTIONS.values(), "model", "seed"}:
            words += ["--set", f"{name}={_word(own[name])}"]
    return shlex.join(words)


def settings_of(spec: RunSpec) -> dict[str, Any]:
    """Method, bits, and every setting that differs from the method's preset, by dotted name.

    Raises:
        OptionError: unknown method.

    >>> settings_of(replaced(METHODS["mimiq"].spec("mimiq"), {"fit.refresh": 3}))
    {'method': 'mimiq', 'bits': 'W4A4', 'fit.refresh': 3}
    """
    preset = METHODS[spec.method].spec(spec.method)
    return {"method": spec.method, "bits": spec.quantization.pair} | _differences(spec, preset)


def identity_of(spec: RunSpec) -> dict[str, Any]:
    """What tells one run from another: `settings_of`, without the settings that have no effect.

    A setting with its preset's value is left out, so a new option with a default does not change
    the identity of older runs.

    Raises:
        OptionError: unknown method, source or back-end.

    >>> identity_of(replaced(METHODS["psaq-vit"].spec("psaq-vit"), {"fit.epochs": 3, "seed": 1}))
    {'method': 'psaq-vit', 'bits': 'W4A4', 'seed': 1}
    """
    return settings_of(spec.canonical(METHODS[spec.method].spec(spec.method)))


def _differences(spec: RunSpec, preset: RunSpec) -> dict[str, Any]:
    mine, base = flat(asdict(spec)), flat(asdict(preset))
    return {
        name: value for name, value in mine.items() if value != base[name] and name not in _FIRST
    }


def _word(value: object) -> str:
    if isinstance(value, tuple):  # mask ratio at start and end
        return ":".join(f"{part:g}" for part in value)
    return str(value)


def with_settings(spec: RunSpec, settings: Iterable[str]) -> RunSpec:
    """The spec with some settings replaced, each given as `NAME=VALUE` with a dotted name.

    Raises:
        OptionError: no such setting, or a value that is not allowed.

    >>> with_settings(RunSpec(), ["fit.refresh=3"]).fit.refresh
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
        OptionError: no such setting, or a value that is not allowed.

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
