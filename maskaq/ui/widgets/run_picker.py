"""Controls to choose stored runs: examples, the visitor's own, or those of a sweep.

Sweeps in this server's folder are open to every visitor. Runs are listed by their manifests alone,
even thousands of them; only the chosen ones are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from maskaq.config.components import SOURCES
from maskaq.errors import RunError
from maskaq.figures.results import compare
from maskaq.files import stamp
from maskaq.results import listing, manifest
from maskaq.results.paths import app_folder, runs_folder
from maskaq.results.store import Stored
from maskaq.ui.state import session, stored_runs
from maskaq.ui.widgets import show

if TYPE_CHECKING:
    from maskaq.ui.state.selection import Choice

HERE = "examples, your runs and single runs of the command line"
_FEW = 4  # runs that are selected at first


def wanted(choice: Choice, *, key: str, of_one_source: bool = False) -> list[Stored]:
    """The runs chosen for a page. If there are none, the page says why.

    Args:
        key: of the page. of_one_source: preselect one shipped run, else one of each source.
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
                f"No run at {choice.bits} ships with maskaq; runs at {bits} are preselected below."
            )
        first = [near] if of_one_source else at(bits, stored)
        runs = select(stored, key=f"{key}_{bits}", default=first)
    if not runs:
        st.info("Choose one or more runs above.")
    return runs


def select(stored: Sequence[Stored], *, key: str, default: Sequence[Stored]) -> list[Stored]:
    """Let the visitor choose among stored runs, listed with their accuracy."""
    labels = [
        f"{name}: Q {run.result.q.top1:.1%}, agreement {run.result.agreement:.1%}"
        for name, run in zip(compare.names([run.result for run in stored]), stored, strict=True)
    ]
    by_label = dict(zip(labels, stored, strict=True))
    chosen = st.multiselect(
        "Runs",
        labels,
        [label for run in default for label, known in by_label.items() if known is run],
        key=key,
        persist_state="session",
        placeholder="Choose one or more runs",
        help="Stored examples, the runs of this browser tab, and runs that the command line put "
        "into this server's folder. Shown are the top-1 accuracy of Q and its agreement with P.",
    )
    return [by_label[label] for label in chosen]


def at(bits: str, stored: Sequence[Stored]) -> list[Stored]:
    """The shipped runs at these bits, in the order of the source menu."""
    order = list(SOURCES)
    found = [
        run
        for run in stored
        if stored_runs.shipped(run) and run.result.spec.quantization.name == bits
    ]
    return sorted(found, key=lambda run: order.index(run.result.spec.synthesis.source))


def by_source(run: Stored, stored: Sequence[Stored]) -> list[Stored]:
    """This run, and one with the same bits and the same fit for each other source."""
    mine = run.result.spec
    found: dict[str, Stored] = {}
    for other in [*stored, run]:
        theirs = other.result.spec
        made = replace(theirs.synthesis, source=mine.synthesis.source)
        alike = replace(theirs, synthesis=mine.synthesis, method=mine.method) == mine
        if not alike:
            continue
        known = found.get(theirs.synthesis.source)
        if known is None or made == mine.synthesis or other is run:
            found[theirs.synthesis.source] = other
    return [found[name] for name in SOURCES if name in found]


def choose(*, key: str) -> list[Stored] | None:
    """Let the visitor choose runs of a sweep. key: of the page.

    Returns:
        None if there is no sweep, or the other runs are chosen.
    """
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
    """Folders of runs inside this server's folder, except the app's own."""
    root = runs_folder()
    if not root.is_dir():
        return []
    below = sorted(path for path in root.iterdir() if path.is_dir() and path != app_folder())
    return [folder for folder in below if any(folder.glob(f"*/{manifest.NAME}"))]


def listed(folder: Path) -> pd.DataFrame:
    """`maskaq.list_runs`, cached until a run is added or removed."""
    return _listed(folder, stamp(folder))


@lru_cache(maxsize=4)
def _listed(folder: Path, changed: object) -> pd.DataFrame:
    return listing.list_runs(folder)


def _overview(table: pd.DataFrame, name: str) -> None:
    """All runs of the sweep, with the columns that differ between them."""
    differs = [
        column
        for column in table.columns
        if column not in ("folder", "created", "device") and table[column].astype(str).nunique() > 1
    ]
    bad = int((table["state"] != listing.WHOLE).sum())
    said = f"{len(table):,} runs" + (f", {bad:,} of them incomplete" if bad else "")
    with st.expander(f"All of {name}: {said}", icon=":material/table:"):
        show.frame(table[differs or ["run"]], alt=f"{said} of {name}.", key="sweep", name="sweep")


def _read(folder: Path) -> Stored | None:
    try:
        return stored_runs.read(folder)
    except RunError as error:
        st.error(str(error), icon=":material/error:")
        return None
