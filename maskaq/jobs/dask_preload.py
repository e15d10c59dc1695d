"""What Dask's scheduler and nannies load at their start (`preload`).

They end when the process that started them ends: a killed app runs no clean-up, and its child
processes would live on. Workers end with their nanny. Nannies, and so workers, also lower their
priority, so that on a busy machine the app answers its visitors first. MASKAQ_NICENESS sets by how
much; 0 keeps the priority, for a machine whose other programs would leave a run no time.
"""

import os
import threading
import time

PARENT = "MASKAQ_PARENT"  # environment variable: process id of the parent
NICENESS = "MASKAQ_NICENESS"  # environment variable: added to the priority, -20 (first) to 19
DEFAULT_NICENESS = "10"
_PERIOD = 0.5  # seconds between two looks at the parent


def dask_setup(server: object) -> None:
    """Called by Dask with the scheduler or the nanny."""
    if parent := os.environ.get(PARENT):
        threading.Thread(target=_watch, args=(int(parent),), daemon=True).start()
    if type(server).__name__ == "Nanny" and hasattr(os, "nice"):  # Windows has no niceness
        os.nice(int(os.environ.get(NICENESS, DEFAULT_NICENESS)))


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_PERIOD)
    os._exit(1)  # without clean-up, as there is no one left to talk to
