"""Ends a Dask process when the app that started it is gone, however it went.

Dask loads this into scheduler and nannies (`preload`). A killed app runs no clean-up, and its
children would live on; workers end with their nanny.
"""

from __future__ import annotations

import os
import threading
import time

PARENT = "MASKAQ_PARENT"  # environment: process id of the app
_LOOK = 0.5  # seconds


def dask_setup(server: object) -> None:
    """Called by Dask with the scheduler or nanny; without a parent to watch it does nothing."""
    if parent := os.environ.get(PARENT):
        threading.Thread(target=_watch, args=(int(parent),), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK)
    os._exit(1)  # no clean-up: there is nobody left to speak to
