"""Controls to choose stored runs: shipped examples, the visitor's own runs, or runs of a sweep.

Sweeps in this server's folder are visible to every visitor. Runs are listed from their manifests,
which is fast even for thousands of them; only the chosen runs are read.
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
from maskaq.ui.widgets import bit_pairs, show

if TYPE_CHECKING:
    from maskaq.ui.state.selection import Choice

SINGLE = "examples, your runs and single runs from the command line"
_PRESELECTED = 4  # runs, at most


def pick(choice: Choice, *, key: str, of_one_source: bool = False) -> list[Stored]:
    """Let the visitor choose runs for a page, at first those at the bits of the sidebar.

    Runs at other bits are never preselected: the page says which are stored.

    Args:
        key: prefix of the widget keys. of_one_source: preselect one run, rather than one of each
            source.
    """
    runs = pick_from_sweep(key=key)
    if runs is not None:
        return runs
    stored = stored_runs.listed(session.owner())
    if not stored:
        st.info("No run is stored yet. Start one on the page Make one.")
        return []
    own = [run for run in stored if run.result.spec.model == choice.model]
    here = at_bits(choice.bits, own or stored)
    if not here:
        bit_pairs.missing(choice, [_bits(run) for run in own or stored], key=key)
    default = here[:1] if of_one_source else here[:_PRESELECTED]
    return select(stored, key=f"{key}_{choice.bits}", default=default)


def _bits(run: Stored) -> str:
    return run.result.spec.quantization.name


def select(stored: Sequence[Stored], *, key: str, default: Sequence[Stored]) -> list[Stored]:
    """Let the visitor choose stored runs, listed with the accuracy of Q."""
    labels = [
        f"{name}: {100 * run.result.q.top1:.1f} %"
        for name, run in zip(compare.names([run.result for run in stored]), stored, strict=True)
    ]
    by_label = dict(zip(labels, stored, strict=True))
    chosen = st.multiselect(
        "Runs",
        labels,
        [label for run in default for label, other in by_label.items() if other is run],
        key=key,
        persist_state="session",
        placeholder="Choose one or more runs",
        help="Stored examples, the runs of this browser tab, and runs that were stored on this "
        "server from the command line, each with the accuracy of its quantized model.",
    )
    return [by_label[label] for label in chosen]


def at_bits(bits: str, stored: Sequence[Stored]) -> list[Stored]:
    """The runs at these bit widths: shipped ones first, in the order of the source menu."""
    order = list(SOURCES)
    runs = [run for run in stored if _bits(run) == bits]
    return sorted(
        runs,
        key=lambda run: (
            not stored_runs.shipped(run),
            order.index(run.result.spec.synthesis.source),
        ),
    )


def by_source(run: Stored, stored: Sequence[Stored]) -> list[Stored]:
    """This run, and for each other source a run with the same bits and the same fit."""
    mine = run.result.spec
    runs: dict[str, Stored] = {}
    for other in [*stored, run]:
        theirs = other.result.spec
        synthesis = replace(theirs.synthesis, source=mine.synthesis.source)
        comparable = replace(theirs, synthesis=mine.synthesis, method=mine.method) == mine
        if not comparable:
            continue
        source = theirs.synthesis.source
        if source not in runs or synthesis == mine.synthesis or other is run:
            runs[source] = other
    return [runs[name] for name in SOURCES if name in runs]


def pick_from_sweep(*, key: str) -> list[Stored] | None:
    """Let the visitor choose runs of a sweep. key: prefix of the widget keys.

    Returns:
        None if there is no sweep, or none is selected.
    """
    folders = {f"the sweep {folder.name}": folder for folder in sweep_folders()}
    if not folders:
        return None
    chosen = st.selectbox(
        "Runs from", [SINGLE, *folders], key=f"{key}_folder", persist_state="session"
    )
    if chosen not in folders:
        return None
    table = sweep_table(folders[chosen])
    complete = table[table["state"] == listing.WHOLE]
    labels = [
        f"{row.bits} {row.source}, {row.backend}, seed {row.seed:.0f}: Q {row.q:.1%} ({row.run})"
        for row in complete.itertuples()
    ]
    picked = st.multiselect(
        "Runs",
        labels,
        labels[:_PRESELECTED],
        key=f"{key}_of_{chosen}",
        persist_state="session",
        placeholder="Choose one or more runs",
    )
    _overview(table, chosen)
    places = dict(zip(labels, complete["folder"], strict=True))
    return [run for label in picked if (run := _read(Path(places[label])))]


def sweep_folders() -> list[Path]:
    """Folders with runs inside this server's folder, except the folder of the app."""
    root = runs_folder()
    if not root.is_dir():
        return []
    below = sorted(path for path in root.iterdir() if path.is_dir() and path != app_folder())
    return [folder for folder in below if any(folder.glob(f"*/{manifest.NAME}"))]


def sweep_table(folder: Path) -> pd.DataFrame:
    """`maskaq.list_runs`, cached until a run is added or removed."""
    return _sweep_table(folder, stamp(folder))


@lru_cache(maxsize=4)
def _sweep_table(folder: Path, changed: object) -> pd.DataFrame:
    return listing.list_runs(folder)


def _overview(table: pd.DataFrame, name: str) -> None:
    """A table of all runs of a sweep, with the columns that differ between them."""
    differs = [
        column
        for column in table.columns
        if column not in ("folder", "created", "device") and table[column].astype(str).nunique() > 1
    ]
    incomplete = int((table["state"] != listing.WHOLE).sum())
    count = f"{len(table):,} runs" + (f", {incomplete:,} of them incomplete" if incomplete else "")
    with st.expander(f"All runs of {name}: {count}", icon=":material/table:"):
        show.frame(table[differs or ["run"]], alt=f"{count} of {name}.", key="sweep", name="sweep")


def _read(folder: Path) -> Stored | None:
    try:
        return stored_runs.read(folder)
    except RunError as error:
        st.error(str(error), icon=":material/error:")
        return None
