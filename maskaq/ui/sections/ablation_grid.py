"""A grid of runs: the settings that vary, the cost, the progress, and the cells."""

import shlex
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

import pandas as pd
import streamlit as st

from maskaq.config import RunSpec, ablation
from maskaq.config.ablation import AXES, LIMIT, Cell
from maskaq.config.components import SOURCES
from maskaq.config.grid_file import to_toml
from maskaq.config.parsing import duration
from maskaq.errors import MaskaqError
from maskaq.figures.results import ablation_grid
from maskaq.jobs import service
from maskaq.jobs.job import Record
from maskaq.results.paths import app_folder
from maskaq.results.store import Stored
from maskaq.ui.state import session, stored_runs, url
from maskaq.ui.widgets import model_download, run_form, run_panel, show

Values = tuple[str, list[ablation.Value]]  # name of an axis and its values

DEFAULT = ("bits", "source")  # all runs of this grid are shipped
KEYS = ("axis_1", "axis_2")
_POLL = 1.0  # seconds between two updates
_WAITING, _MISSING = "waiting", "not computed"


def axes() -> tuple[Values, Values]:
    """The two settings that vary and their values, chosen by the visitor."""
    names = list(AXES)
    url.declare(**{key: url.one_of(names, start) for key, start in zip(KEYS, DEFAULT, strict=True)})
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


def results_of(cells: Sequence[Cell]) -> list[Stored | None]:
    """The stored run of each cell, or None."""
    owner = session.owner()
    return [stored_runs.find(cell.spec, owner) for cell in cells]


def panel(cells: Sequence[Cell]) -> None:
    """The cost of the missing runs, buttons to start and cancel them, and the command line."""
    results = results_of(cells)
    pairs = zip(cells, results, strict=True)
    missing = list({cell.spec: cell for cell, result in pairs if result is None}.values())
    active = [record for record in service.swept(session.owner()) if record.active]
    total = len({cell.spec for cell in cells})
    runs = "run" if total == 1 else "runs"
    st.caption(f"The grid has {total} {runs}, {total - len(missing)} of them finished.")
    models = {(cell.spec.model, cell.spec.weights) for cell in missing}  # one, if any
    ready = all(model_download.ready(*model, key="grid") for model in models)
    off = service.readonly() or not ready
    if missing and not off:
        _cost([cell.spec for cell in missing])
    buttons = st.container(horizontal=True)
    pressed = buttons.button(
        f"Run {len(missing)} missing" if missing else "Run",
        type="primary",
        key="grid",
        disabled=bool(off or active or not missing or len(missing) > LIMIT),
    )
    buttons.button("Cancel", key="grid_cancel", on_click=_cancel, disabled=not active)
    if len(missing) > LIMIT:
        st.info(
            f"This page computes up to {LIMIT} runs at once. Choose fewer values, or run the grid "
            "on the command line; its results appear here too."
        )
    _command_line([cell.spec for cell in cells])
    if pressed and _start(missing):
        st.rerun()


def _cost(missing: Sequence[RunSpec]) -> None:
    """How long the missing runs take, estimated from stored runs or from a measurement."""
    runs = stored_runs.listed(session.owner())
    seconds = [stored_runs.seconds_for(spec, runs) for spec in missing]
    known = [one for one in seconds if one is not None]
    count = len(missing)
    others = "The missing run takes" if count == 1 else f"The {count} missing runs take"
    if len(known) == len(seconds):
        st.caption(
            f"{others} about {duration(sum(known))}, estimated from stored runs. Single runs have "
            "priority."
        )
        return
    if (estimate := run_panel.measured_cost(missing)) is not None:
        st.caption(f"{others} {estimate}")


def _command_line(specs: Sequence[RunSpec]) -> None:
    """The grid as a file, and the command that runs it for this page."""
    with st.expander("This grid on the command line, or on a cluster", icon=":material/terminal:"):
        st.markdown(
            "The command takes up to 10,000 runs, uses many processes or a Dask cluster "
            "(`--scheduler`), repeats runs with several seeds (`repeats = 3` in the file), and "
            "resumes after an interruption. It writes to the folder that this page reads."
        )
        st.download_button(
            "Download grid.toml",
            to_toml(dict.fromkeys(specs)),
            file_name="grid.toml",
            mime="application/toml",
            icon=":material/download:",
            key="grid_toml",
            on_click="ignore",
        )
        command = ["python", "-m", "maskaq", "sweep", "grid.toml", "--out", str(app_folder())]
        st.code(shlex.join(command), language="bash")


def _start(missing: Sequence[Cell]) -> bool:
    if service.readonly():
        return False
    session.pin()
    try:
        service.sweep(session.owner(), missing)
    except MaskaqError as error:
        st.error(str(error), icon=":material/error:")
        return False
    return True


def _cancel() -> None:
    """Cancel the whole grid, queued runs first, so that none of them starts."""
    for record in reversed(service.swept(session.owner())):
        if record.active:
            with suppress(MaskaqError):  # it may have ended in the meantime
                service.cancel(session.owner(), record.id)


def watch(cells: Sequence[Cell], a: str, b: str) -> None:
    """The heat map, updated while runs finish. a, b: names of the axes."""
    grid_runs = service.swept(session.owner())
    if any(record.active for record in grid_runs):
        ended = sum(not record.active for record in grid_runs)
        st.fragment(_follow, run_every=_POLL)(cells, a, b, ended)
    else:
        _show(cells, a, b)
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
    show.chart(
        ablation_grid.heatmap(frame(cells), a, b),
        key="grid_map",
        note="Each cell shows the top-1 accuracy of Q with its 95 % interval, and the number of "
        "evaluation images. Where two intervals overlap widely, the difference may be chance.",
    )


def frame(cells: Sequence[Cell]) -> pd.DataFrame:
    """One row per cell, for `figures.results.ablation_grid`: labels, state and accuracy."""
    records = {record.spec: record for record in session.records()}  # the latest of each
    rows = []
    for cell, run in zip(cells, results_of(cells), strict=True):
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


def opened(cells: Sequence[Cell]) -> Stored | None:
    """A select box for the finished cells; the run of the chosen one, or None."""
    done = {
        f"{cell.labels[0]}, {cell.labels[1]}: {run.result.q.top1:.1%}": run
        for cell, run in zip(cells, results_of(cells), strict=True)
        if run is not None
    }
    label = st.selectbox(
        "Open the run of a cell",
        list(done),
        None,
        key="opened",
        placeholder="Choose a finished cell",
        disabled=not done,
    )
    return done.get(label) if label else None
