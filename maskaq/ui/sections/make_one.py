"""A run from the first image to the verdict: the three tabs of the page Make one."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import streamlit as st

from maskaq.config.components import BACKENDS, coefficients_of
from maskaq.figures.results import layer_bits, tensors
from maskaq.results import verdicts
from maskaq.ui.sections import (
    bit_width_explorer,
    dense_results,
    run_results,
    sample_gallery,
    synthesis_player,
)
from maskaq.ui.state import selection, session, stored_runs
from maskaq.ui.widgets import offer, run_panel, run_picker, show, tabs

if TYPE_CHECKING:
    from maskaq.config import RunSpec
    from maskaq.results.store import Stored
    from maskaq.ui.state.selection import Choice

TENSOR = "tensor"  # key of the selectbox, and of clicks on the diagram
VIEWS = ("Accuracy", "Other bits", "Sources", "Disagreements")


def section(tab: str, run: Stored | None, spec: RunSpec, choice: Choice) -> None:
    """One tab. run: the stored run of these settings; without one, says how to get it."""
    if run is None:
        _missing(tab, spec, choice)
        return
    _TABS[tab](run, choice)
    st.caption(f"{show.where_from(run)} {show.plain(selection.title(run.result.spec))}.")
    show.details(*_formulas(tab, spec))


def _missing(tab: str, spec: RunSpec, choice: Choice) -> None:
    """What to do when no run of these settings is stored."""
    if not run_panel.busy():
        remedy = "" if choice.readonly else " Press Run to compute it."
        text = f"Not computed yet: {show.plain(selection.title(spec))}.{remedy}"
        st.info(text, icon=":material/history:")
        _examples(spec, choice)
    if tab == "Result":
        near = stored_runs.example(spec.synthesis.source, model=spec.model)
        if near is not None and not (spec.weights or spec.data or spec.class_names):
            bit_width_explorer.panel(near, choice, spec.quantization)


def _examples(spec: RunSpec, choice: Choice) -> None:
    """Buttons that set the bit widths of the stored examples."""
    source = spec.synthesis.source
    formats = {
        run.result.spec.quantization.name
        for run in stored_runs.presets(spec.model, spec.quantization.scheme)
        if run.result.spec.synthesis.source == source
    }
    if not formats - {choice.bits}:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(f"Stored examples of {source}, with the settings of the method:")
        offer.pairs(formats - {choice.bits}, "example")


def draw(run: Stored, choice: Choice) -> None:
    """The images: how they form, what their loss consists of, and what the models see in them."""
    synthesis_player.film(run)
    if run.result.dense:
        dense_results.samples(run)
    else:
        sample_gallery.samples(run, choice.mask_ratio)


def fit(run: Stored, choice: Choice) -> None:
    """Where the signal is lost in Q, tensor by tensor, and how the fit went."""
    table = tensors.frame(run.result)
    chart = tensors.anatomy(table, str(st.session_state.get(TENSOR)))
    show.verdict(chart.alt)
    show.chart(
        chart.with_suffix(run_results.slug(run.result)),
        key="anatomy",
        note="One row per layer, from input to output. The SQNR says how far the signal is above "
        "the rounding error: ten times at 20 dB, not at all at 0 dB. Click a cell to read more.",
        pick=show.into(TENSOR, list(table["tensor"])),
    )
    run_results.tensor(table)
    if run.result.spec.quantization.average_bits:
        chart = layer_bits.bars(run.result)
        show.verdict(chart.alt)
        show.chart(
            chart.with_suffix(run_results.slug(run.result)),
            key="layer_bits",
            note="A layer gets more bits if rounding its weight changes P's prediction more.",
        )
    run_results.metrics(run, "fit")


def result(run: Stored, choice: Choice) -> None:
    """How good Q is: against P, at other bits, with other sources, and where it errs."""
    view = tabs.one_of(VIEWS, "Result", key="result")
    if view == "Accuracy":
        _accuracy(run)
    elif view == "Other bits":
        bit_width_explorer.panel(run, choice, run.result.spec.quantization)
    elif view == "Sources":
        _sources(run)
    elif run.result.dense:
        dense_results.differences(run)
    else:
        sample_gallery.disagreeing(run)
    show.simulated(run.result.spec.model)


def _accuracy(run: Stored) -> None:
    if (text := show.attempt(verdicts.of_run, run)) is not None:
        show.verdict(text)
    run_results.headline(run)


def _sources(run: Stored) -> None:
    runs = run_picker.by_source(run, stored_runs.listed(session.owner()))
    names = [one.result.spec.synthesis.source for one in runs]
    if (text := show.attempt(verdicts.among, runs, names)) is not None:
        show.verdict(text)
    run_results.sources(run, runs)


def _formulas(tab: str, spec: RunSpec) -> Sequence[str]:
    """Names of the formulas of a tab."""
    if tab == "Draw":
        weights = asdict(coefficients_of(spec.synthesis))
        return ("synthesis", *(name for name, weight in weights.items() if weight))
    if tab == "Fit":
        return ("quantization", *BACKENDS[spec.fit.backend].formulas, "sqnr")
    return ("wilson",)


_TABS: Mapping[str, Callable[[Stored, Choice], None]] = {"Draw": draw, "Fit": fit, "Result": result}
