"""Why one set of samples serves better than another, for the page Compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import streamlit as st

from maskaq.errors import RunError
from maskaq.evaluation.activation_shift_table import STATISTICS
from maskaq.figures.results import activation_shift as figures
from maskaq.results import activation_shift
from maskaq.ui.sections import run_results
from maskaq.ui.widgets import show

if TYPE_CHECKING:
    from maskaq.results.activation_shift import Diagnosis
    from maskaq.results.store import Stored

_ABREAST = 2  # maps in a row


def section(runs: Sequence[Stored], names: Sequence[str]) -> None:
    """How the samples' activations differ from real ones, run by run, where that is stored."""
    st.header("Why: how the samples' activations differ from real ones")
    st.markdown(
        "Q's ranges are set on what the samples cause inside P. Where they make a tensor narrower "
        "than real images do, Q will clip real images; where wider, it wastes levels."
    )
    found = _found(runs, names)
    if found:
        _overview(found)
        _maps(runs, names, found)
    missing = [(run, name) for run, name in zip(runs, names, strict=True) if name not in found]
    if missing:
        st.info("No diagnosis is stored for: " + "; ".join(name for _, name in missing) + ".")
        lines = [activation_shift.command_for(run.folder) for run, _ in missing]
        st.code("\n".join(lines), language="bash", wrap_lines=True)


def _found(runs: Sequence[Stored], names: Sequence[str]) -> dict[str, Diagnosis]:
    """What is stored, by name of the run; damaged files are said and count as missing."""
    found: dict[str, Diagnosis] = {}
    for run, name in zip(runs, names, strict=True):
        try:
            one = activation_shift.read(run.folder, run.result)
        except RunError as error:
            st.error(str(error), icon=":material/error:")
            continue
        if one is not None:
            found[name] = one
    return found


def _overview(found: Mapping[str, Diagnosis]) -> None:
    table = figures.overview_frame(found)
    show.figure(
        figures.overview(table),
        table,
        alt=figures.describe_overview(table),
        key="diagnosis",
        name="compare-diagnosis",
        note="Too large and too small count alike. Some distance is chance: runs of the source "
        "*real* show how much, though their images are among those they are compared with.",
    )


def _maps(runs: Sequence[Stored], names: Sequence[str], found: Mapping[str, Diagnosis]) -> None:
    statistic = st.segmented_control(
        "Statistic", list(STATISTICS), default="range", required=True, key="diagnosis_statistic"
    )
    st.caption(
        f"{figures.meaning(statistic)} Taken in each image, then averaged over images. In the "
        "cells: samples over real images, 1.00 where they are alike; an octave is a factor of 2."
    )
    tables = {name: figures.frame(one, statistic) for name, one in found.items()}
    octaves = figures.span(list(tables.values()))
    shown = [(run, name) for run, name in zip(runs, names, strict=True) if name in found]
    for first in range(0, len(shown), _ABREAST):
        for place, (run, name) in zip(
            st.columns(_ABREAST, gap="medium"), shown[first : first + _ABREAST], strict=False
        ):
            said = figures.describe(found[name], statistic)
            number = names.index(name)
            with place:
                show.figure(
                    figures.ratios(tables[name], name, statistic, octaves),
                    tables[name],
                    alt=said,
                    key=f"diagnosis_{number}",
                    name=f"diagnosis-{statistic}-{run_results.slug(run.result)}",
                    note=f"{said} {_where_from(found[name])}",
                )


def _where_from(found: Diagnosis) -> str:
    when = f"{datetime.fromisoformat(found.created):%d %B %Y, %H:%M UTC}"
    return (
        f"Real images: {found.images}, never those that P and Q are judged on. Computed on {when} "
        f"by `{found.command}`."
    )
