"""Which runs a page is about: examples, a visitor's own, or those of a sweep on the command line.

Sweeps lie below the folder of this server and are there for every visitor. Thousands of runs are
listed by their manifests alone; only those that are chosen are read.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from maskaq.errors import RunError
from maskaq.results import listing, manifest
from maskaq.results.paths import app_folder, runs_folder, stamp
from maskaq.results.store import Stored
from maskaq.ui.state import session, stored_runs
from maskaq.ui.widgets import run_form, show

if TYPE_CHECKING:
    from maskaq.ui.state.selection import Choice

HERE = "examples, your runs and single ones of the command line"
_FEW = 4  # runs that are chosen before anybody has chosen


def wanted(choice: Choice, *, key: str, of_one_source: bool = False) -> list[Stored]:
    """The runs that a page is about, chosen by the visitor; none, with the reason on the page,
    where there are none.

    Args:
        key: of the page. of_one_source: begin with one shipped run, else with one of each source.
    """
    runs = choose(key=key)
    if runs is None:
        stored, near = stored_runs.listed(session.owner()), stored_runs.closest(choice)
        if near is None:
            st.info("No run is stored yet. The page Quantize makes one.")
            return []
        bits = near.result.spec.quantization.name
        if bits != choice.bits:
            st.info(
                f"No run at {choice.bits} ships with maskaq; the choice below begins with {bits}."
            )
        first = [near] if of_one_source else run_form.at(bits, stored)
        runs = run_form.runs(stored, key=f"{key}_{bits}", default=first)
    if not runs:
        st.info("Choose one or more runs above.")
    return runs


def choose(*, key: str) -> list[Stored] | None:
    """Let the visitor take the runs of a sweep; None where the others are wanted, or no sweep is
    there. key: of the page."""
    folders = {f"the sweep {folder.name}": folder for folder in found()}
    if not folders:
        return None
    chosen = st.selectbox(
        "Runs from", [HERE, *folders], key=f"{key}_folder", persist_state="session"
    )
    if chosen not in folders:
        return None
    table = listed(folders[chosen])
    whole = table[table["state"] == listing.WHOLE]
    labels = [
        f"{row.bits} {row.source}, {row.backend}, seed {row.seed:.0f}: Q {row.q:.1%} ({row.run})"
        for row in whole.itertuples()
    ]
    picked = st.multiselect(
        "Runs",
        labels,
        labels[:_FEW],
        key=f"{key}_of_{chosen}",
        persist_state="session",
        placeholder="Choose one or more runs",
    )
    _overview(table, chosen)
    places = dict(zip(labels, whole["folder"], strict=True))
    return [run for label in picked if (run := _read(Path(places[label])))]


def found() -> list[Path]:
    """Folders below that of this server that hold folders of runs, the app's own aside."""
    root = runs_folder()
    if not root.is_dir():
        return []
    below = sorted(path for path in root.iterdir() if path.is_dir() and path != app_folder())
    return [folder for folder in below if any(folder.glob(f"*/{manifest.NAME}"))]


def listed(folder: Path) -> pd.DataFrame:
    """As `maskaq.list_runs`, and remembered until a run is added or taken away."""
    return _listed(folder, stamp(folder))


@lru_cache(maxsize=4)
def _listed(folder: Path, changed: object) -> pd.DataFrame:
    return listing.list_runs(folder)


def _overview(table: pd.DataFrame, name: str) -> None:
    """All runs of the sweep, with the columns in which they differ."""
    differs = [
        column
        for column in table.columns
        if column not in ("folder", "created", "device") and table[column].astype(str).nunique() > 1
    ]
    bad = int((table["state"] != listing.WHOLE).sum())
    said = f"{len(table):,} runs" + (f", {bad:,} of them not whole" if bad else "")
    with st.expander(f"All of {name}: {said}", icon=":material/table:"):
        show.frame(table[differs or ["run"]], alt=f"{said} of {name}.", key="sweep", name="sweep")


def _read(folder: Path) -> Stored | None:
    try:
        return stored_runs.read(folder)
    except RunError as error:
        st.error(str(error), icon=":material/error:")
        return None
