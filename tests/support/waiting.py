"""Waiting for runs, in tests: nothing in the library waits."""

import time
from collections.abc import Callable

import psutil

from maskaq.jobs.job import Record
from maskaq.jobs.service import Runs

SOON = 60  # seconds after which a test has failed


def until(true: Callable[[], object], seconds: float = SOON) -> float:
    """Seconds until something is so."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < seconds
        time.sleep(0.01)
    return time.monotonic() - began


def ended(runs: Runs, owner: str, run: str, seconds: float = SOON) -> Record:
    """The record once the run has ended."""
    until(lambda: not runs.get(owner, run).active, seconds)
    return runs.get(owner, run)


def under_way(runs: Runs, owner: str, run: str) -> Record:
    """The record once its first step is done."""
    until(lambda: runs.get(owner, run).rows)
    return runs.get(owner, run)


def gone(pid: int) -> bool:
    """Whether a process has ended."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
