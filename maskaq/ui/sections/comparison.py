"""Chosen runs side by side: accuracy, cost, images, settings and activation shift."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import streamlit as st

from maskaq.config.overrides import command_of
from maskaq.figures.results import compare
from maskaq.precomputed import deployment
from maskaq.reports.tables import settings
from maskaq.results import verdicts
from maskaq.ui.sections import activation_shift, run_results
from maskaq.ui.widgets import bit_pairs, run_picker, show, spotlight, tabs

if TYPE_CHECKING:
    from maskaq.results.store import Stored
    from maskaq.ui.state.selection import Choice

_ONE = "compared_run"  # key of the menu that a click on a figure sets


def section(choice: Choice) -> None:
    """The menu of runs, and one view of those chosen."""
    with spotlight.on("compare"):
        runs = run_picker.pick(choice, key="compare")
    if not runs:
        bit_pairs.make(choice)
        return
    view = tabs.one_of(VIEWS, "View", key="view")
    # A fragment, so that a click on a figure redraws this view only.
    st.fragment(VIEWS[view])(runs, compare.short_names([run.result for run in runs]))


def _accuracy(runs: Sequence[Stored], names: Sequence[str]) -> None:
    show.verdict(f"{_where(runs)}{verdicts.among(runs, names)}")
    show.chart(
        compare.runs([run.result for run in runs]),
        key="compared",
        pick=show.into(_ONE, names),
        note="**P** is the full-precision model, **Q** the quantized one. *Agreement*: the share "
        "of images for which both give the same answer, right or wrong. The verdict compares pairs "
        "of answers to the same images, so it sees smaller differences than the intervals. "
        "Arithmetic is simulated.",
    )
    _opened(runs, names)


def _where(runs: Sequence[Stored]) -> str:
    """The bits, if all runs have the same; else the names of the runs contain them."""
    formats = {run.result.spec.quantization.name for run in runs}
    return f"At {formats.pop()}: " if len(formats) == 1 and len(runs) > 1 else ""


def _opened(runs: Sequence[Stored], names: Sequence[str]) -> None:
    """One of the runs, chosen from a menu or by a click: where it comes from, and its command."""
    if st.session_state.get(_ONE) not in names:
        st.session_state[_ONE] = None
    name = st.selectbox(
        "Open a run, here or with a click on one of its points",
        list(names),
        None,
        key=_ONE,
        placeholder="Choose a run",
    )
    if name is None:
        return
    run = runs[list(names).index(name)]
    st.markdown(verdicts.of_run(run))
    st.caption(show.where_from(run))
    st.code(command_of(run.result.spec), language="bash", wrap_lines=True)


def _cost(runs: Sequence[Stored], names: Sequence[str]) -> None:
    chart = compare.cost([run.result for run in runs])
    show.verdict(chart.alt)
    files = show.attempt(deployment.sentence, [run.result.spec.model for run in runs])
    show.chart(
        chart,
        key="cost",
        pick=show.into(_ONE, names),
        note="Seconds of each stage on the machine that computed the run, measured once: another "
        f"machine takes another time. {files or ''}",
    )
    _opened(runs, names)


def _images(runs: Sequence[Stored], names: Sequence[str]) -> None:
    shares = [run.result.recognised for run in runs]
    best = max(range(len(runs)), key=lambda place: shares[place].value)
    top = shares[best]
    alike = [
        name for place, name in enumerate(names) if place != best and shares[place].high >= top.low
    ]
    also = f"; {verdicts.listed(alike)} cannot be told apart from it" if alike else ""
    show.verdict(
        f"**P recognises the images of {names[best]} most often**: {100 * top.value:.0f} % of "
        f"{top.n} (95 % interval {100 * top.low:.0f} to {100 * top.high:.0f} %){also}."
    )
    run_results.side_by_side(runs, names)


def _differences(runs: Sequence[Stored], names: Sequence[str]) -> None:
    table = run_results.differing(dict(zip(names, map(settings, runs), strict=True)))
    if len(runs) == 1 or table.empty:
        st.info("Choose at least two runs with different settings.")
        return
    count = len(table)
    show.verdict(
        f"**{count} {'setting differs' if count == 1 else 'settings differ'}**: "
        f"{verdicts.listed(list(table['setting']))}. Everything else is the same."
    )
    show.frame(
        table,
        alt=f"{count} settings differ between the runs.",
        key="differs",
        name="compare-settings",
    )


VIEWS = {
    "Accuracy": _accuracy,
    "Cost": _cost,
    "Images": _images,
    "What differs": _differences,
    "Activation shift": activation_shift.section,
}
