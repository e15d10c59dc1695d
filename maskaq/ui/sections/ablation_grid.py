"""A grid of runs: the settings that vary, the verdict, the cells and the progress."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from maskaq.config import RunSpec, ablation
from maskaq.config.ablation import AXES, Cell
from maskaq.config.components import SOURCES
from maskaq.errors import MaskaqError
from maskaq.figures.results import ablation_grid
from maskaq.jobs import service
from maskaq.results import table_verdicts
from maskaq.ui.sections import grid_panel, run_results
from maskaq.ui.state import session, url
from maskaq.ui.widgets import run_form, run_panel, show, spotlight

if TYPE_CHECKING:
    from maskaq.jobs.job import Record
    from maskaq.results.store import Stored
    from maskaq.ui.state.selection import Choice

Values = tuple[str, list[ablation.Value]]  # name of an axis and its values

DEFAULT = ("bits", "source")  # all runs of this grid are shipped
KEYS = ("axis_1", "axis_2")
_OPENED = "opened"  # key of the menu that a click on a cell sets
_POLL = 1.0  # seconds between two updates
_WAITING, _MISSING = "waiting", "not computed"


def section(choice: Choice) -> None:
    """The axes, the heat map with its verdict, the run of one cell, and how to compute the rest."""
    first, second = axes()
    top = st.container()  # the controls that set the runs are drawn below it, but run before
    with st.expander("What stays the same", icon=":material/lock:"):
        synthesis = run_form.synthesis(choice)
        fit = run_form.fitting(choice)
        st.caption("The rest is set in the sidebar. A setting that varies above ignores it there.")
    base = run_form.spec(choice, synthesis, fit)
    with top:
        grid = cells(base, first, second)
        watch(grid, first[0], second[0])
    grid_panel.panel(grid)
    show.demo()


def axes() -> tuple[Values, Values]:
    """The two settings that vary and their values, chosen by the visitor."""
    names = list(AXES)
    url.declare(**{key: url.one_of(names, start) for key, start in zip(KEYS, DEFAULT, strict=True)})
    with spotlight.on(*KEYS):
        first, second = (
            _axis(place, key, start, order)
            for place, key, start, order in zip(
                st.columns(2, gap="large"), KEYS, DEFAULT, ("First", "Second"), strict=True
            )
        )
    return first, second


def _axis(place: st.delta_generator.DeltaGenerator, key: str, start: str, order: str) -> Values:
    names = list(AXES)
    name = place.selectbox(
        f"{order} setting that varies",
        names,
        names.index(start),
        key=key,
        bind="query-params",
        help="\n\n".join(f"**{one}**: {AXES[one].description}" for one in names),
    )
    by_label = {ablation.label(value): value for value in AXES[name].values}
    url.declare(**{f"{key}_{name}": url.some_of(by_label)})
    chosen = place.pills(
        f"Values of {name}",
        list(by_label),
        selection_mode="multi",
        default=[label for label, value in by_label.items() if value in AXES[name].first],
        key=f"{key}_{name}",
        bind="query-params",
        help=AXES[name].description,
        wrap=True,  # else long lists overflow the column
    )
    return name, [by_label[label] for label in by_label if label in chosen]


def cells(base: RunSpec, a: Values, b: Values) -> list[Cell]:
    """The runs of the grid; an invalid grid stops the page with the reason."""
    try:
        grid = ablation.grid(base, a, b)
    except MaskaqError as error:
        st.error(str(error), icon=":material/error:")
        url.stop()
    cells = [replace(cell, spec=cell.spec.canonical(run_form.PRESET)) for cell in grid]
    if len({cell.spec for cell in cells}) < len(cells):
        own = [name for name, info in SOURCES.items() if info.own_terms]
        st.info(
            f"Some cells are the same run, because {a[0]} or {b[0]} has no effect on them: noise "
            "and real images are not optimised, mimiq has neither mask nor alignment, and "
            f"{', '.join(own)} have fixed terms."
        )
    return cells


def watch(cells: Sequence[Cell], a: str, b: str) -> None:
    """The heat map, updated while runs finish. a, b: names of the axes."""
    grid_runs = service.swept(session.owner())
    if any(record.active for record in grid_runs):
        ended = sum(not record.active for record in grid_runs)
        st.fragment(_follow, run_every=_POLL)(cells, a, b, ended)
    else:
        st.fragment(_show)(cells, a, b)  # so that a click redraws the map and its run only
        _show_errors(grid_runs, cells)


def _follow(cells: Sequence[Cell], a: str, b: str, ended: int) -> None:
    """Progress and heat map while runs are active; when a run ends, the whole page runs again."""
    records = service.swept(session.owner())
    if sum(not record.active for record in records) != ended:
        st.rerun()
    running = next((record for record in records if record.state == "running"), None)
    share = running.progress.share if running else 0.0
    left = sum(record.active for record in records)
    status = run_panel.describe(running) if running else "Waiting for a free worker."
    st.progress(share, text=f"{left} {'runs' if left > 1 else 'run'} to go. {status}")
    _show(cells, a, b)


def _show_errors(records: Sequence[Record], cells: Sequence[Cell]) -> None:
    """Why runs of this grid failed or were lost, each reason once."""
    specs = {cell.spec for cell in cells}
    reasons = [
        record.error for record in records if record.spec in specs and record.error is not None
    ]
    for reason in dict.fromkeys(reasons):
        st.error(reason, icon=":material/error:")


def _show(cells: Sequence[Cell], a: str, b: str) -> None:
    results = grid_panel.results_of(cells)
    done = _finished(cells, results)
    show.verdict(table_verdicts.of_grid(done, (a, b)))
    show.chart(
        ablation_grid.heatmap(frame(cells, results), a, b),
        key="grid_map",
        pick=lambda value: _pick(done, value),
        note=f"{table_verdicts.ends_of_grid(done)} In a cell: the accuracy of the quantized model "
        "**Q** and its 95 % interval. The effect of a setting is averaged over the other one. "
        "Click a cell to open its run. Arithmetic is simulated.",
    )
    run = opened(done)
    if run is not None:
        run_results.headline(run)
        run_results.metrics(run)


def _finished(
    cells: Sequence[Cell], results: Sequence[Stored | None]
) -> dict[tuple[str, str], Stored]:
    """The finished runs by the labels of their cells."""
    pairs = zip(cells, results, strict=True)
    return {cell.labels: run for cell, run in pairs if run is not None}


def _pick(done: dict[tuple[str, str], Stored], value: object) -> None:
    """Open the run of a clicked cell. value: its labels in two lines."""
    names = {"\n".join(labels): name for labels, name in _names(done).items()}
    if value in names:
        st.session_state[_OPENED] = names[value]


def frame(cells: Sequence[Cell], results: Sequence[Stored | None]) -> pd.DataFrame:
    """One row per cell, for `figures.results.ablation_grid`: labels, state and accuracy."""
    records = {record.spec: record for record in session.records()}  # the latest of each
    rows = []
    for cell, run in zip(cells, results, strict=True):
        row: dict[str, object] = dict(zip("ab", cell.labels, strict=True))
        if run is None:
            rows.append(row | {"state": _state(records.get(cell.spec))})
            continue
        q = run.result.q
        shares = {"value": q.top1, "low": q.top1_low, "high": q.top1_high}
        row |= {"state": ablation_grid.DONE, "n": run.result.evaluated}
        rows.append(row | {name: 100 * share for name, share in shares.items()})
    return ablation_grid.frame(pd.DataFrame(rows))


def _state(record: Record | None) -> str:
    if record is None:
        return _MISSING
    return _WAITING if record.state == "queued" else record.state


def opened(done: dict[tuple[str, str], Stored]) -> Stored | None:
    """A menu of the finished cells; the run of the chosen one, or None."""
    by_name = {name: done[labels] for labels, name in _names(done).items()}
    if st.session_state.get(_OPENED) not in by_name:  # the grid has changed
        st.session_state[_OPENED] = None
    name = st.selectbox(
        "Open the run of a cell",
        list(by_name),
        None,
        key=_OPENED,
        placeholder="Choose a finished cell, or click it",
        disabled=not done,
    )
    return by_name[name] if name else None


def _names(done: dict[tuple[str, str], Stored]) -> dict[tuple[str, str], str]:
    """The entries of the menu, by the labels of the cells."""
    return {
        labels: f"{labels[0]}, {labels[1]}: {100 * run.result.q.top1:.1f} %"
        for labels, run in done.items()
    }
