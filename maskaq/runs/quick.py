"""Questions that a worker answers in seconds, beside the runs: plain values and arrays in and out.

torch is imported inside the functions only, because menus and checks need no more than the names.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from maskaq.registry import Registry

__all__ = ["QUICK"]

QUICK: Registry[Callable[..., Any]] = Registry("quick answer")
