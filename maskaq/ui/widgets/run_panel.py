"""The controls of a run: start, progress, cancel and result.

The run is computed in a worker process (`maskaq.jobs.service`), which the page polls.
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
from maskaq.ui.widgets import model_download, query, show

if TYPE_CHECKING:
    from maskaq.results.store import Stored

    Place = st.delta_generator.DeltaGenerator

STAGES = {
    "load": "Loading the model",
    "synthesis": "Making images",
    "fit": "Fitting Q to the images",
    "evaluation": "Comparing Q with P",
}
# In the session: id of the latest run, why a run was refused.
_STARTED, _REFUSED = "_started", "_refused"
_POLL, _POLL_STRIP = 0.5, 2.0  # seconds


def latest() -> Record | None:
    """The run that this visitor started last, without grids; None without any.

    After a reload the session no longer knows its id; an active run is then preferred.
    """
    grid = {record.id for record in service.swept(session.owner())}
    single = [record for record in session.records() if record.id not in grid]
    started = [record for record in single if record.id == st.session_state.get(_STARTED)]
    active = [record for record in single if record.active]
    return next(reversed(started or active or single), None)


def busy() -> bool:
    """Whether a run of this visitor is running or queued."""
    record = latest()
    return record is not None and record.active


def start(spec: RunSpec) -> None:
    """Start a run for this visitor; for callbacks. A refusal is shown in the next rerun."""
    try:
        if service.readonly():
            raise RunError(
                "this server shows stored results only; run maskaq on your own computer instead."
            )
        run = service.start(session.owner(), spec, origin=st.session_state.get(session.PAGE, ""))
    except MaskaqError as error:
        st.session_state[_REFUSED] = str(error)
    else:
        st.session_state[_STARTED] = run


def panel(spec: RunSpec, place: Place, *, key: str = "run") -> Stored | None:
    """The panel of a run: Run and Cancel, estimated time, progress, outcome.

    Args:
        place: a horizontal container for the buttons.

    Returns:
        The result of these settings, if it is stored.
    """
    record = latest()
    running = record is not None and record.active
    off = not model_download.ready(spec.model, spec.weights, key=key) or service.readonly()
    place.button(
        "Run",
        type=show.main_button(),
        key=key,
        disabled=running or off,
        on_click=start,
        args=(spec,),
    )
    place.button(
        "Cancel",
        key=f"{key}_cancel",
        on_click=_cancel,
        args=(record.id if record else "",),
        disabled=not running,
    )
    if refused := st.session_state.pop(_REFUSED, ""):
        st.error(refused, icon=":material/error:")
    run = stored_runs.find(spec, session.owner())
    if not (off or running or run):
        _cost(spec)
    watch(session.owner())
    if not off:
        _warm()
    return run


def _cost(spec: RunSpec) -> None:
    """The estimated time, from a stored example; without one, measured on request."""
    seconds = stored_runs.seconds_for(spec, stored_runs.presets())
    if seconds is not None:
        st.caption(f"A run like this takes about {seconds:.0f} s, estimated from a stored example.")
        return
    if (estimate := measured_cost([spec])) is not None:
        st.caption(f"A run like this takes {estimate}")


def measured_cost(specs: Sequence[RunSpec]) -> str | None:
    """Time and memory of runs in sequence, as the end of a sentence; None until measured."""
    question = {"specs": [to_json(spec) for spec in specs]}
    cost = query.answer("cost", tuple(specs), question, label="Estimate time and memory")
    if cost is None:
        return None
    return (
        f"about {duration(cost['seconds'])} and at least {cost['memory_mb']:,.0f} MB of memory on "
        "this server. This is extrapolated from a short measurement and often off by 30 %."
    )


def watch(owner: str) -> None:
    """Show the progress of the visitor's run, or its outcome if it did not finish normally."""
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


def strip() -> None:
    """The status of the visitor's active run and grids, at the top of every page but their own."""
    here, tab = st.session_state.get(session.PAGE), st.session_state.get(pages.COMPARE.parameter)
    record = latest()
    if record is not None and record.active and here != pages.MAKE_ONE.file:
        st.fragment(_strip_run, run_every=_POLL_STRIP)(session.owner(), record.id)
    if (here, tab) != (pages.COMPARE.file, "Grid") and any(
        record.active for record in service.swept(session.owner())
    ):
        st.fragment(_strip_grids, run_every=_POLL_STRIP)(session.owner())


def describe(record: Record) -> str:
    """The status of a run, in one line."""
    if record.state == "queued":
        ahead = service.position(record.id) - 1
        if ahead > 0:
            return f"Waiting: {ahead} {'run is' if ahead == 1 else 'runs are'} ahead of yours."
        return "Waiting for a free worker. Starting the first worker takes a few seconds."
    progress, stages = record.progress, list(STAGES)
    if progress.stage not in STAGES:
        return "Starting. The first run loads PyTorch, which takes a few seconds."
    text = (
        f"Stage {stages.index(progress.stage) + 1} of {len(stages)}: "
        f"{STAGES[progress.stage]}, {progress.step} of {progress.total}"
    )
    return (
        text if progress.left is None else f"{text}, about {progress.left:.0f} s left in this stage"
    )


def _poll(owner: str, run: str) -> None:
    record = _active(owner, run)
    _last_result(record)
    share = record.progress.share if record.state == "running" else 0.0
    st.progress(share, text=f"{show.plain(selection.title(record.spec))}. {describe(record)}")
    images, loss = st.columns([2, 3], gap="large")
    if record.images is not None:
        images.image(
            sheet(record.images),
            width="stretch",
            caption="The images so far. Each is optimised to look like its class to the model.",
            alt="Synthetic images during the synthesis.",
        )
    table = pd.DataFrame(list(record.rows))
    if "loss" in table:
        table = table[["stage", "step", "loss"]]
    if "loss" in table and curves.quantities(table):
        chart = curves.curves(table)
        loss.plotly_chart(chart.figure, key="live_loss", alt=chart.alt)


def _last_result(record: Record) -> None:
    """The result of the visitor's previous run, greyed, while another one is at work."""
    done = [one for one in session.records() if one.state == "finished" and one.id != record.id]
    if done and (run := stored_runs.find(done[-1].spec, session.owner())) is not None:
        q = run.result.top1_q
        st.markdown(
            f":gray[Your last result: {show.plain(selection.title(run.result.spec))}. Q is right "
            f"on {100 * q.value:.1f} % of {q.n:,} images.]"
        )


@cache
def _warm() -> None:
    """Start the workers in the background, before Run is pressed."""
    service.warm()


def _active(owner: str, run: str) -> Record:
    """The record of an active run. If it has ended, reruns the page, which ends the polling."""
    with suppress(MaskaqError):  # old records are deleted after many later runs
        record = service.get(owner, run)
        if record.active:
            return record
    st.rerun()


def _strip_run(owner: str, run: str) -> None:
    record = _active(owner, run)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"Your run: {describe(record)}")
        st.page_link(
            pages.MAKE_ONE.file, label="Open", icon=":material/open_in_full:", width="content"
        )


def _strip_grids(owner: str) -> None:
    grid = service.swept(owner)
    if not any(record.active for record in grid):
        st.rerun()
    ended = sum(not record.active for record in grid)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"Your grids: {ended} of {len(grid)} runs have ended.")
        st.page_link(
            pages.COMPARE.file,
            label="Open",
            icon=":material/open_in_full:",
            width="content",
            query_params={pages.COMPARE.parameter: "Grid"},
        )


def _cancel(run: str) -> None:
    with suppress(MaskaqError):  # it may have ended in the meantime, which the rerun shows
        service.cancel(session.owner(), run)
