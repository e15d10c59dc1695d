"""A run as the visitor sees it: one at a time, polled while it works, with a way to stop it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from maskaq.config import RunSpec
from maskaq.data.sheet import sheet
from maskaq.errors import MaskaqError
from maskaq.figures import curves
from maskaq.ui import controls, library
from maskaq.ui.jobs import Job, Progress

if TYPE_CHECKING:
    from maskaq.runs.store import Stored

STAGES = {
    "load": "Loading the model",
    "synthesis": "Making images",
    "fit": "Fitting Q to them",
    "evaluation": "Comparing Q with P",
}
_POLL = 0.5  # seconds


_KEY = "_slot"  # in the session
# Runs under way, of all visitors of this server. A reloaded page finds its run here, and those
# who ask for the same run share it.
_RUNNING: dict[RunSpec, Job[Stored]] = {}
_LOCK = threading.Lock()


class Slot:
    """One visitor's present or latest run.

    It outlives a lost connection. A closed tab does not stop its run, which is short by the limits
    of the page and whose result is stored.
    """

    def __init__(self) -> None:
        self.job: Job[Stored] | None = None

    @property
    def running(self) -> bool:
        """Whether a run is under way or waits for its turn."""
        return self.job is not None and self.job.alive()

    def join(self, spec: RunSpec) -> None:
        """Watch the run of `spec` if it is under way and no other is being watched."""
        with _LOCK:
            job = _RUNNING.get(spec)
            if not self.running and job is not None and job.alive():
                self.job = job

    def run(self, spec: RunSpec) -> None:
        """Start a run, or join it; nothing happens if one is being watched."""
        self.join(spec)
        if self.running:
            return
        with _LOCK:
            for ended in [known for known, job in _RUNNING.items() if not job.alive()]:
                del _RUNNING[ended]
            self.job = _RUNNING[spec] = Job(controls.title(spec), library.compute(spec))
            self.job.start()

    def cancel(self) -> None:
        """Stop the run after its present step, for all who watch it."""
        if self.job is not None:
            self.job.cancel()


def slot() -> Slot:
    """The visitor's slot, the same on all pages."""
    found: Slot = st.session_state.setdefault(_KEY, Slot())
    return found


def watch(job: Job[Stored]) -> None:
    """Draw the run: polled while it works; nothing but its problems once it has ended."""
    if job.alive():
        st.fragment(_poll, run_every=_POLL)(job)
    elif job.error is not None:
        _failed(job.error)
    elif job.cancelled:
        st.info("Cancelled. Nothing was stored.", icon=":material/cancel:")
    for problem in job.problems:
        st.warning(problem)


def _poll(job: Job[Stored]) -> None:
    if not job.alive():
        st.rerun()  # the whole page: draws the result and ends the polling
    if job.waiting:
        st.progress(0.0, text="Waiting: this server computes one run at a time.")
        return
    progress = job.progress
    st.progress(progress.share, text=_say(job.name, progress, job.cancelled))
    drawings, loss = st.columns([2, 3], gap="large")
    if job.images is not None:
        drawings.image(
            sheet(job.images.numpy()),
            width="stretch",
            caption="The images so far: what the model takes its classes to look like.",
            alt="Synthetic images in the making.",
        )
    table = pd.DataFrame(list(job.rows))
    if "loss" in table:
        table = table[["stage", "step", "loss"]]
        loss.plotly_chart(curves.curves(table), key="loss", alt=curves.describe(table))


def _say(name: str, progress: Progress, cancelled: bool) -> str:
    if cancelled:
        return "Stopping after this step."
    stages = list(STAGES)
    if progress.stage not in STAGES:
        return f"{name}: starting. The first run loads PyTorch, which takes some seconds."
    text = (
        f"{name}. Stage {stages.index(progress.stage) + 1} of {len(stages)}: "
        f"{STAGES[progress.stage]}, {progress.step} of {progress.total}"
    )
    return text if progress.left is None else f"{text}, about {progress.left:.0f} s left in it"


def _failed(error: Exception) -> None:
    if isinstance(error, MaskaqError):
        st.error(str(error), icon=":material/error:")
    else:
        st.error("The run stopped for a reason that maskaq did not foresee.")
        st.exception(error)
