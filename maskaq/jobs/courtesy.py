"""Lets workers step back where the machine is busy: the app answers its visitors first.

Dask loads this into nannies (`preload`), whose workers inherit it. On an idle machine nothing
changes.
"""

from __future__ import annotations

import os

STEPS = 10  # of niceness, which goes from -20 to 19


def dask_setup(nanny: object) -> None:
    """Called by Dask with the nanny. Windows knows no niceness."""
    if hasattr(os, "nice"):
        os.nice(STEPS)
