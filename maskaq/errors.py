"""The exceptions of maskaq.

Every message gives the offending value, what is allowed, and what to do about it.

    MaskaqError
      - OptionError       a setting is unknown or out of range (also a ValueError)
      - ModelError        a model cannot be loaded or is not supported
          - WeightsError      a weights file does not fit the model
      - DataError         images or a data file cannot be used
      - NotCalibratedError  a quantizer was used before its range was set
      - SynthesisError    no usable image was left after synthesis
      - RunError          a stored run cannot be read or written
      - ExportError       a model cannot be written for other programs, or such a file not be read
"""

import difflib
from collections.abc import Iterable

__all__ = [
    "DataError",
    "ExportError",
    "MaskaqError",
    "ModelError",
    "NotCalibratedError",
    "OptionError",
    "RunError",
    "SynthesisError",
    "WeightsError",
    "unknown",
]


class MaskaqError(Exception):
    """Base class of all errors raised by maskaq."""


class OptionError(MaskaqError, ValueError):
    """A setting is unknown or out of range."""


class ModelError(MaskaqError):
    """A model cannot be loaded or is not supported."""


class WeightsError(ModelError):
    """A weights file does not fit the model."""


class DataError(MaskaqError):
    """Images or a data file cannot be used."""


class NotCalibratedError(MaskaqError):
    """A quantizer was used before its range was set."""


class SynthesisError(MaskaqError):
    """No usable image was left after synthesis."""


class RunError(MaskaqError):
    """A stored run cannot be read or written."""


class ExportError(MaskaqError):
    """A model cannot be written for other programs, or such a file cannot be read."""


def unknown(what: str, value: object, allowed: Iterable[str]) -> str:
    """Message for a name that is not in a list: the value, the nearest name, and the list.

    >>> unknown("source", "maskq", ["maskaq", "noise"])
    "unknown source 'maskq'; did you mean 'maskaq'? Allowed: maskaq, noise."
    """
    names = sorted(allowed)
    near = difflib.get_close_matches(str(value), names, n=1)
    hint = f" did you mean {near[0]!r}?" if near else ""
    return f"unknown {what} {value!r};{hint} Allowed: {', '.join(names)}."


def some(names: Iterable[object], shown: int = 3) -> str:
    """The first names of a list, and how many more there are, for a message.

    >>> some("abcde")
    'a, b, c and 2 more'
    """
    listed = [str(name) for name in names]
    more = f" and {len(listed) - shown:,} more" if len(listed) > shown else ""
    return ", ".join(listed[:shown]) + more
