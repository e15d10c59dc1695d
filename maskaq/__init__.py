"""maskaq: quantize Vision Transformers without their training data, and watch every step.

Importing this module loads neither torch nor Streamlit; the public names below are imported when
they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from maskaq._version import __version__
from maskaq.config import Coefficients, FitOptions, QuantOptions, RunSpec, SynthesisOptions
from maskaq.config.presets import METHODS, spec_of
from maskaq.errors import MaskaqError

if TYPE_CHECKING:
    from maskaq.models.attention import record
    from maskaq.models.loading import load_model
    from maskaq.quantization.conversion.convert import convert
    from maskaq.quantization.storage import load_q
    from maskaq.results.listing import list_runs
    from maskaq.runs.execute import execute
    from maskaq.runs.runner import run

_LAZY = {
    "convert": "maskaq.quantization.conversion.convert",
    "execute": "maskaq.runs.execute",
    "load_model": "maskaq.models.loading",
    "list_runs": "maskaq.results.listing",
    "load_q": "maskaq.quantization.storage",
    "record": "maskaq.models.attention",
    "run": "maskaq.runs.runner",
}

__all__ = [
    "METHODS",
    "Coefficients",
    "FitOptions",
    "MaskaqError",
    "QuantOptions",
    "RunSpec",
    "SynthesisOptions",
    "__version__",
    "convert",
    "execute",
    "list_runs",
    "load_model",
    "load_q",
    "record",
    "run",
    "spec_of",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module 'maskaq' has no attribute {name!r}")
