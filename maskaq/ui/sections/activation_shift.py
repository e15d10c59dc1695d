"""How activations on samples differ from those on real images, for the page Compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import streamlit as st

from maskaq.evaluation.activation_shift_table import STATISTICS
from maskaq.figures.results import activation_shift as figures
from maskaq.results import activation_shift
from maskaq.ui.sections import run_results
from maskaq.ui.widgets import show

if TYPE_CHECKING:
    from maskaq.results.activation_shift import Diagnosis
    from maskaq.results.store import Stored

_COLUMNS = 2  # maps in a row


def section(runs: Sequence[Stored], names: Sequence[str]) -> None:
    """The stored diagnosis of each run, and the command for runs without one."""
    st.header("Why the samples matter: activation shift")
    st.markdown(
        "The activation ranges of Q are set on what the samples cause inside P. If a tensor is "
        "narrower on the samples than on real images, Q clips real images; if it is wider, Q "
        "wastes levels."
    )
    diagnoses = _read(runs, names)
    if diagnoses:
        show.chart(
            figures.overview(diagnoses),
            key="diagnosis",
            note="Too large and too small count alike. Some distance is chance: runs of the source "
            "*real* show how much, although their images are a part of those they are compared "
            "with.",
        )
        _maps(runs, names, diagnoses)
    missing = [(run, name) for run, name in zip(runs, names, strict=True) if name not in diagnoses]
    if missing:
        st.info("No diagnosis is stored for: " + "; ".join(name for _, name in missing) + ".")
        lines = [activation_shift.command_for(run.folder) for run, _ in missing]
        st.code("\n".join(lines), language="bash", wrap_lines=True)


def _read(runs: Sequence[Stored], names: Sequence[str]) -> dict[str, Diagnosis]:
    """The stored diagnoses by name of the run; damaged files show an error and are left out."""
    diagnoses: dict[str, Diagnosis] = {}
    for run, name in zip(runs, names, strict=True):
        one = show.attempt(activation_shift.read, run.folder, run.result)
        if one is not None:
            diagnoses[name] = one
    return diagnoses


def _maps(runs: Sequence[Stored], names: Sequence[str], diagnoses: Mapping[str, Diagnosis]) -> None:
    statistic = st.segmented_control(
        "Statistic", list(STATISTICS), default="range", required=True, key="diagnosis_statistic"
    )
    st.caption(
        f"{figures.meaning(statistic)} Computed for each image, then averaged over images. Each "
        "cell is the ratio of samples to real images, 1.00 where they are equal; an octave is a "
        "factor of 2."
    )
    octaves = figures.span([figures.frame(one, statistic) for one in diagnoses.values()])
    shown = [(run, name) for run, name in zip(runs, names, strict=True) if name in diagnoses]
    for first in range(0, len(shown), _COLUMNS):
        for place, (run, name) in zip(
            st.columns(_COLUMNS, gap="medium"), shown[first : first + _COLUMNS], strict=False
        ):
            chart = figures.ratios(diagnoses[name], name, statistic, octaves)
            with place:
                show.chart(
                    chart.with_suffix(run_results.slug(run.result)),
                    key=f"diagnosis_{names.index(name)}",
                    note=f"{chart.alt} {_where_from(diagnoses[name])}",
                )


def _where_from(diagnosis: Diagnosis) -> str:
    when = f"{datetime.fromisoformat(diagnosis.created):%d %B %Y, %H:%M UTC}"
    return (
        f"Real images: {diagnosis.images}, none of them evaluation images. Computed on {when} by "
        f"`{diagnosis.command}`."
    )
