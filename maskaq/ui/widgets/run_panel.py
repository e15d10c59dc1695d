"""A run as its visitor sees it: started, polled while it works, stopped, and its result at the end.

The work happens in processes of their own (`maskaq.jobs.service`). Nothing here waits for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from maskaq.config import RunSpec
from maskaq.config.parsing import duration, to_json
from maskaq.data.sheet import sheet
from maskaq.errors import MaskaqError, RunError
from maskaq.figures.results import curves
from maskaq.jobs import service
from maskaq.jobs.job import Record
from maskaq.ui.state import pages, selection, session, stored_runs
from maskaq.ui.widgets import query

if TYPE_CHECKING:
    from maskaq.results.store import Stored

STAGES = {
    "load": "Loading the model",
    "synthesis": "Making images",
    "fit": "Fitting Q to them",
    "evaluation": "Comparing Q with P",
}
_STARTED = "_started"  # id of the latest run of this session
_POLL, _POLL_LINE = 0.5, 2.0  # seconds between two looks


def latest() -> Record | None:
    """The run that this visitor started last, grids aside; None without any.

    After a reload the session has forgotten which one that was: it is then the one under way.
    """
    grid = {record.id for record in service.swept(session.owner())}
    mine = [record for record in session.records() if record.id not in grid]
    known = st.session_state.get(_STARTED)
    own = [record for record in mine if record.id == known]
    active = [record for record in mine if record.active]
    return next(reversed(own or active or mine), None)


def busy() -> bool:
    """Whether a run of this visitor is under way or waits for its turn."""
    record = latest()
    return record is not None and record.active


def start(spec: RunSpec) -> str | None:
    """Start a run for this visitor; its id, or None with the reason on the page."""
    try:
        if service.readonly():
            raise RunError(
                "this server shows stored results only; run maskaq on your own computer."
            )
        session.pin()
        run = service.start(session.owner(), spec, origin=st.session_state.get(session.PAGE, ""))
    except MaskaqError as error:
        st.error(str(error), icon=":material/error:")
        return None
    st.session_state[_STARTED] = run
    return run


def panel(spec: RunSpec, *, key: str = "run") -> Stored | None:
    """Everything live about one run: the time it takes, Run, Cancel, progress, how it ended.

    Returns:
        The result of these settings, whether computed now, before, or shipped; else the latest
        result of this visitor, with a line that says so; None without either.
    """
    record, off = latest(), service.readonly()
    running = record is not None and record.active
    if not off:
        _cost(spec)
    buttons = st.container(horizontal=True)
    pressed = buttons.button("Run", type="primary", key=key, disabled=running or off)
    buttons.button(
        "Cancel",
        key=f"{key}_cancel",
        on_click=_cancel,
        args=(record.id if record else "",),
        disabled=not running,
    )
    if pressed and start(spec) is not None:
        st.rerun()
    watch(session.owner())
    if not off:
        _warm()
    return _result(spec, record)


def _cost(spec: RunSpec) -> None:
    """How long it will take, by the stored example; without one, by a measurement if asked for."""
    seconds = stored_runs.seconds_for(spec, stored_runs.presets())
    if seconds is not None:
        st.caption(f"A run like this takes about {seconds:.0f} s, judged by the stored example.")
        return
    if (words := measured_cost([spec])) is not None:
        st.caption(f"A run like this takes {words}")


def measured_cost(specs: Sequence[RunSpec]) -> str | None:
    """What runs would cost one after the other, measured if asked for: `about ... off.`; None as
    long as it is not known."""
    question = {"specs": [to_json(spec) for spec in specs]}
    found = query.answer("cost", tuple(specs), question, label="Estimate time and memory")
    if found is None:
        return None
    return (
        f"about {duration(found['seconds'])} and at least {found['memory_mb']:,.0f} MB of memory "
        "here, extrapolated from a short measurement and often 30 % off."
    )


def watch(owner: str) -> None:
    """Draw the visitor's run: polled while it works; once it has ended, only how."""
    record = latest() if owner == session.owner() else None
    if record is None:
        return
    if record.active:
        st.fragment(_poll, run_every=_POLL)(owner, record.id)
    elif record.state == "failed":
        st.error(record.error, icon=":material/error:")
    elif record.state == "cancelled":
        st.info("Cancelled. Nothing was stored.", icon=":material/cancel:")
    elif record.state == "lost":
        st.warning(record.error, icon=":material/link_off:")
    for problem in record.problems:
        st.warning(problem)


def line() -> None:
    """What the visitor has under way, a line each in the sidebar of every page."""
    record = latest()
    if record is not None and record.active:
        st.fragment(_line, run_every=_POLL_LINE)(session.owner(), record.id)
    if any(record.active for record in service.swept(session.owner())):
        st.fragment(_grid_line, run_every=_POLL_LINE)(session.owner())


def say(record: Record) -> str:
    """Where a run stands, in one line."""
    if record.state == "queued":
        before = service.position(record.id) - 1
        if before > 0:
            return f"Waiting: {before} {'run is' if before == 1 else 'runs are'} before yours."
        return "Waiting for a free worker. The first run starts it, which takes some seconds."
    progress, stages = record.progress, list(STAGES)
    if progress.stage not in STAGES:
        return "Starting. The first run loads PyTorch, which takes some seconds."
    text = (
        f"Stage {stages.index(progress.stage) + 1} of {len(stages)}: "
        f"{STAGES[progress.stage]}, {progress.step} of {progress.total}"
    )
    return text if progress.left is None else f"{text}, about {progress.left:.0f} s left in it"


def _poll(owner: str, run: str) -> None:
    record = _under_way(owner, run)
    share = record.progress.share if record.state == "running" else 0.0
    st.progress(share, text=f"{selection.title(record.spec)}. {say(record)}")
    drawings, loss = st.columns([2, 3], gap="large")
    if record.images is not None:
        drawings.image(
            sheet(record.images),
            width="stretch",
            caption="The images so far: what the model takes its classes to look like.",
            alt="Synthetic images in the making.",
        )
    table = pd.DataFrame(list(record.rows))
    whole = (
        st.session_state.get(session.PAGE) == pages.SYNTHESIS.file
    )  # all of it is the subject there
    if "loss" in table and not whole:
        table = table[["stage", "step", "loss"]]
    if "loss" in table and curves.quantities(table):
        chart = curves.curves(table)
        loss.plotly_chart(chart.figure, key="live_loss", alt=chart.alt)


@cache
def _warm() -> None:
    """Have the workers started in the background: who opens a page with Run may press it."""
    service.warm()


def _under_way(owner: str, run: str) -> Record:
    """The record; once the run has ended the whole page runs again, which ends the polling."""
    with suppress(MaskaqError):  # so many runs since that this one is forgotten
        record = service.get(owner, run)
        if record.active:
            return record
    st.rerun()


def _line(owner: str, run: str) -> None:
    record = _under_way(owner, run)
    st.caption(f"Your run: {say(record)}")
    _open(record.origin or pages.QUANTIZE.file)


def _grid_line(owner: str) -> None:
    grid = service.swept(owner)
    if not any(record.active for record in grid):
        st.rerun()
    ended = sum(not record.active for record in grid)
    st.caption(f"Your grids of runs: {ended} of {len(grid)} have ended.")
    _open(pages.ABLATION.file)


def _open(page: str) -> None:
    if page != st.session_state.get(session.PAGE):
        st.page_link(page, label="Open", icon=":material/open_in_full:")


def _cancel(run: str) -> None:
    with suppress(MaskaqError):  # it may have ended meanwhile, which the page is about to say
        service.cancel(session.owner(), run)


def _result(spec: RunSpec, record: Record | None) -> Stored | None:
    owner = session.owner()
    found = stored_runs.find(spec, owner)
    if found is None and record is not None and record.state == "finished":
        found = stored_runs.find(record.spec, owner)
        if found is not None:
            st.warning("You changed the settings since. Below is the latest run, not these.")
    return found
