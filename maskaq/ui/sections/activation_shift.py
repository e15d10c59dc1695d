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

_ONE = "diagnosed_run"  # key of the menu that a click on the overview sets


def section(runs: Sequence[Stored], names: Sequence[str]) -> None:
    """The stored diagnosis of each run, and the command for runs without one."""
    diagnoses = _read(runs, names)
    if diagnoses:
        overview = figures.overview(diagnoses)
        show.verdict(overview.alt)
        show.chart(
            overview,
            key="diagnosis",
            pick=lambda name: _choose(name, diagnoses),
            note="Geometric mean over the tensors; too large and too small count alike. Ranges are "
            "set on what the samples cause inside P: too narrow, and Q clips real images; too "
            "wide, and Q wastes levels. Some distance is chance: *real* shows how much.",
        )
        _map(runs, names, diagnoses)
    missing = [(run, name) for run, name in zip(runs, names, strict=True) if name not in diagnoses]
    if missing:
        st.info("No diagnosis is stored for: " + "; ".join(name for _, name in missing) + ".")
        lines = [activation_shift.command_for(run.folder) for run, _ in missing]
        st.code("\n".join(lines), language="bash", wrap_lines=True)


def _choose(name: object, diagnoses: Mapping[str, Diagnosis]) -> None:
    if name in diagnoses:
        st.session_state[_ONE] = name


def _read(runs: Sequence[Stored], names: Sequence[str]) -> dict[str, Diagnosis]:
    """The stored diagnoses by name of the run; damaged files show an error and are left out."""
    diagnoses: dict[str, Diagnosis] = {}
    for run, name in zip(runs, names, strict=True):
        one = show.attempt(activation_shift.read, run.folder, run.result)
        if one is not None:
            diagnoses[name] = one
    return diagnoses


def _map(runs: Sequence[Stored], names: Sequence[str], diagnoses: Mapping[str, Diagnosis]) -> None:
    """The tensors of one run; all runs share the colour scale."""
    if st.session_state.get(_ONE) not in diagnoses:
        st.session_state[_ONE] = next(iter(diagnoses))
    left, right = st.columns(2)
    name = left.selectbox("Tensors of the run", list(diagnoses), key=_ONE)
    statistic = right.segmented_control(
        "Statistic",
        list(STATISTICS),
        default="range",
        required=True,
        key="diagnosis_statistic",
    )
    octaves = figures.span([figures.frame(one, statistic) for one in diagnoses.values()])
    chart = figures.ratios(diagnoses[name], name, statistic, octaves)
    run = runs[list(names).index(name)]
    show.chart(
        chart.with_suffix(run_results.slug(run.result)),
        key="diagnosis_map",
        note=f"{figures.meaning(statistic)} Each cell: samples over real images, 1.00 where they "
        f"are equal. {chart.alt} {_where_from(diagnoses[name])}",
    )


def _where_from(diagnosis: Diagnosis) -> str:
    when = f"{datetime.fromisoformat(diagnosis.created):%d %B %Y, %H:%M UTC}"
    return (
        f"Real images: {diagnosis.images}, none of them evaluation images. Computed on {when} by "
        f"`{diagnosis.command}`."
    )
