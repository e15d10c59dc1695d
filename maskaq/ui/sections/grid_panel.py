"""What the missing runs of a grid cost, how to start and cancel them, and the command line."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import streamlit as st

from maskaq.config.ablation import LIMIT
from maskaq.config.grid_file import to_toml
from maskaq.config.parsing import duration
from maskaq.errors import MaskaqError
from maskaq.jobs import service
from maskaq.results.paths import app_folder
from maskaq.ui.state import session, stored_runs
from maskaq.ui.widgets import model_download, run_panel, show

if TYPE_CHECKING:
    from maskaq.config import RunSpec
    from maskaq.config.ablation import Cell
    from maskaq.results.store import Stored


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
        type=show.main_button(),
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
