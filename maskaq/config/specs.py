"""Specs as files."""

from __future__ import annotations

import json
from pathlib import Path

from maskaq.config.options import RunSpec
from maskaq.config.parsing import from_dict
from maskaq.errors import OptionError

_LARGEST = 16 << 20  # bytes


def read_spec(path: Path) -> RunSpec:
    """A spec from its JSON, or from the JSON of a result that has one.

    Raises:
        OptionError: the file cannot be read, or holds no spec.
    """
    try:
        with path.open("rb") as file:
            values = json.loads(file.read(_LARGEST))
    except (OSError, ValueError, RecursionError) as error:
        raise OptionError(f"{path} cannot be read ({type(error).__name__}: {error}).") from error
    if isinstance(values, dict) and isinstance(values.get("spec"), dict):
        values = values["spec"]
    try:
        spec: RunSpec = from_dict(values)
    except TypeError as error:
        raise OptionError(f"{path} holds no spec ({error}).") from error
    return spec
