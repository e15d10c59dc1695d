"""A grid of runs on the page: which settings vary, what it costs, how far it is, and its cells."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

import pandas as pd
import streamlit as st

from maskaq.config import RunSpec, ablation
from maskaq.config.ablation import AXES, LIMIT, Cell
from maskaq.config.components import DISTILLING, DRAWING, LEARNING, OWN_TERMS
from maskaq.config.grid_file import to_toml
from maskaq.config.parsing import duration
from maskaq.errors import MaskaqError
from maskaq.figures.results import ablation_grid
from maskaq.jobs import service
from maskaq.jobs.records import Record
from maskaq.results.paths import app_folder
from maskaq.results.store import Stored
from maskaq.ui.shell import router
from maskaq.ui.state import session, stored_runs, url
from maskaq.ui.widgets import run_form, run_panel, show

Values = tuple[str, list[ablation.Value]]  # name of an axis, and what it takes

DEFAULT = ("bits", "source")  # for which all runs are shipped
KEYS = ("axis_1", "axis_2")
_POLL = 1.0  # seconds between two looks
_WAITING, _MISSING = "waiting", "not computed"


def axes() -> tuple[Values, Values]:
    """Two settings that vary, and the values that they take; chosen by the visitor."""
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
        wrap=True,  # in a column they would leave it on the right
    )
    return name, [by_label[label] for label in by_label if label in chosen]


def cells(base: RunSpec, a: Values, b: Values) -> list[Cell]:
    """The runs of the grid; where it cannot be made, the page ends with the reason."""
    try:
        found = ablation.grid(base, a, b)
    except MaskaqError as error:
        st.error(str(error), icon=":material/error:")
        router.stop()
    settled = [replace(cell, spec=_settled(cell.spec)) for cell in found]
    if len({cell.spec for cell in settled}) < len(settled):
        st.info(
            f"Some cells are the same run, because for them {a[0]} or {b[0]} changes nothing: "
            "images from noise and real are not drawn, mimiq has neither mask nor alignment, and "
            f"{', '.join(OWN_TERMS)} have terms of their own."
        )
    return settled


def _settled(spec: RunSpec) -> RunSpec:
    """The same run; what does not matter to its source and back-end is as the method has it."""
    made, usual = spec.synthesis, run_form.PRESET.synthesis
    if made.source not in DRAWING:
        made = replace(usual, source=made.source, images=made.images)
    elif made.source != "maskaq":
        without = {
            name: getattr(usual.coefficients, name)
            for name in run_form.WITHOUT.get(made.source, ())
        }
        made = replace(
            made,
            mask_ratio=usual.mask_ratio,
            coefficients=replace(made.coefficients, **without),
        )
    fit = spec.fit
    if fit.backend not in DISTILLING:
        fit = replace(run_form.PRESET.fit, backend=fit.backend)
    if fit.backend in LEARNING:
        fit = replace(fit, mask_ratio=spec.fit.mask_ratio, mask_weight=spec.fit.mask_weight)
    return replace(spec, synthesis=made, fit=fit)


def results_of(wanted: Sequence[Cell]) -> list[Stored | None]:
    """The result of each cell, where there is one."""
    owner = session.owner()
    return [stored_runs.find(cell.spec, owner) for cell in wanted]


def panel(wanted: Sequence[Cell]) -> None:
    """What the missing runs cost, Run and Cancel, and the way to larger grids."""
    found, off = results_of(wanted), stored_runs.readonly()
    pairs = zip(wanted, found, strict=True)
    missing = list({cell.spec: cell for cell, result in pairs if result is None}.values())
    active = [record for record in service.swept(session.owner()) if record.active]
    total = len({cell.spec for cell in wanted})
    runs = "run" if total == 1 else "runs"
    st.caption(f"The grid has {total} {runs}, {total - len(missing)} of them finished.")
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
            f"The page computes up to {LIMIT} runs in one go. Take fewer values, or run the whole "
            "grid on the command line; its results appear here too."
        )
    _elsewhere([cell.spec for cell in wanted])
    if pressed and _start(missing):
        st.rerun()


def _cost(missing: Sequence[RunSpec]) -> None:
    """How long the missing runs may take, by stored runs; else by a measurement if asked for."""
    known = stored_runs.listed(session.owner())
    seconds = [stored_runs.seconds_for(spec, known) for spec in missing]
    sure = [one for one in seconds if one is not None]
    many = len(missing)
    others = "The other one takes" if many == 1 else f"The other {many}, one after the other, take"
    if len(sure) == len(seconds):
        st.caption(
            f"{others} about {duration(sum(sure))}, judged by stored runs. Single runs go first."
        )
        return
    if (words := run_panel.measured_cost(missing)) is not None:
        st.caption(f"{others} {words}")


def _elsewhere(wanted: Sequence[RunSpec]) -> None:
    """The grid as a file, and the command that fills this page from it."""
    with st.expander("This grid on the command line, or on a cluster", icon=":material/terminal:"):
        st.markdown(
            "Takes up to 10,000 runs, many processes or a Dask cluster (`--scheduler`), several "
            "seeds (`repeats = 3` in the file), and goes on where it was stopped. Put into this "
            "folder, the results fill the grid below."
        )
        st.download_button(
            "Download grid.toml",
            to_toml(dict.fromkeys(wanted)),
            file_name="grid.toml",
            mime="application/toml",
            icon=":material/download:",
            key="grid_toml",
            on_click="ignore",
        )
        command = ["python", "-m", "maskaq", "sweep", "grid.toml", "--out", str(app_folder())]
        st.code(shlex.join(command), language="bash")


def _start(missing: Sequence[Cell]) -> bool:
    if stored_runs.readonly():
        return False
    session.pin()
    try:
        service.sweep(session.owner(), missing)
    except MaskaqError as error:
        st.error(str(error), icon=":material/error:")
        return False
    return True


def _cancel() -> None:
    """Stop the whole grid, what waits first, so that nothing new begins."""
    for record in reversed(service.swept(session.owner())):
        if record.active:
            with suppress(MaskaqError):  # it may have ended meanwhile
                service.cancel(session.owner(), record.id)


def watch(wanted: Sequence[Cell], a: str, b: str) -> None:
    """Map and table; they fill while the runs of the grid end. a, b: names of the axes."""
    grid_runs = service.swept(session.owner())
    if any(record.active for record in grid_runs):
        ended = sum(not record.active for record in grid_runs)
        st.fragment(_follow, run_every=_POLL)(wanted, a, b, ended)
    else:
        _draw(wanted, a, b)
        _say_ends(grid_runs, wanted)


def _follow(wanted: Sequence[Cell], a: str, b: str, ended: int) -> None:
    """While runs are under way; each end runs the whole page again, so that all of it knows."""
    records = service.swept(session.owner())
    if sum(not record.active for record in records) != ended:
        st.rerun()
    under_way = next((record for record in records if record.state == "running"), None)
    share = under_way.progress.share if under_way else 0.0
    left = sum(record.active for record in records)
    said = run_panel.say(under_way) if under_way else "Waiting for a free worker."
    st.progress(share, text=f"{left} {'runs' if left > 1 else 'run'} to go. {said}")
    _draw(wanted, a, b)


def _say_ends(records: Sequence[Record], wanted: Sequence[Cell]) -> None:
    """Why runs of this grid failed or were lost, each reason once."""
    specs = {cell.spec for cell in wanted}
    reasons = [
        record.error for record in records if record.spec in specs and record.error is not None
    ]
    for reason in dict.fromkeys(reasons):
        st.error(reason, icon=":material/error:")


def _draw(wanted: Sequence[Cell], a: str, b: str) -> None:
    table = frame(wanted)
    show.figure(
        ablation_grid.heatmap(table, a, b),
        table.rename(columns={"a": a, "b": b}),
        alt=ablation_grid.describe(table),
        key="grid_map",
        name=f"grid-{a}-{b}",
        note="In each cell: top-1 accuracy of Q with its 95 % interval, and the number of test "
        "images. Where two intervals overlap widely, the difference may be chance.",
    )


def frame(wanted: Sequence[Cell]) -> pd.DataFrame:
    """One row per cell for `figures.grid`: its labels, its state, and its accuracy once there."""
    records = {record.spec: record for record in session.records()}  # the latest of each
    rows = []
    for cell, found in zip(wanted, results_of(wanted), strict=True):
        row: dict[str, object] = dict(zip("ab", cell.labels, strict=True))
        if found is None:
            rows.append(row | {"state": _state(records.get(cell.spec))})
            continue
        q = found.result.q
        shares = {"value": q.top1, "low": q.top1_low, "high": q.top1_high}
        row |= {"state": ablation_grid.DONE, "n": found.result.evaluated}
        rows.append(row | {name: 100 * share for name, share in shares.items()})
    return ablation_grid.frame(pd.DataFrame(rows))


def _state(record: Record | None) -> str:
    if record is None:
        return _MISSING
    return _WAITING if record.state == "queued" else record.state


def opened(wanted: Sequence[Cell]) -> Stored | None:
    """Let the visitor choose a finished cell; its run, None as long as none is chosen."""
    done = {
        f"{cell.labels[0]}, {cell.labels[1]}: {found.result.q.top1:.1%}": found
        for cell, found in zip(wanted, results_of(wanted), strict=True)
        if found is not None
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
