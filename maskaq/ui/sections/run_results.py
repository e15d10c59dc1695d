"""A finished run on a page. Stored examples and live runs share this code."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from maskaq.config.components import SOURCES, TASKS
from maskaq.config.overrides import command_of
from maskaq.figures.results import accuracy, curves
from maskaq.ui.widgets import show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maskaq.results.artifacts import Evidence
    from maskaq.results.result import RunResult
    from maskaq.results.store import Stored

_COLUMNS = 4  # runs in a row


def headline(run: Stored) -> None:
    """P and Q with intervals, their agreement, and the images that Q was fitted to."""
    result = run.result
    shares, pictures = st.columns([3, 2], gap="large")
    with shares:
        show.chart(
            accuracy.p_and_q(result).with_suffix(slug(result)),
            key="accuracy",
            note=f"P and Q agree on {100 * result.agreement:.1f} % "
            f"({100 * result.agreement_low:.1f} to {100 * result.agreement_high:.1f} %) "
            f"of the {TASKS[result.task].agreement}. {TASKS[result.task].second}",
        )
        show.notes(result.notes)
        repeat(run)
    with pictures:
        images(run)


def images(run: Stored) -> None:
    """The calibration images of a run, on one sheet."""
    source, sheet = run.result.spec.synthesis.source, run.sheet
    if sheet is None:
        st.info("This run was stored without its images.")
        return
    st.image(
        sheet,
        width="stretch",
        caption=recognised_in(run.result),
        alt=f"A sheet of images from the source {source}.",
    )


def recognised_in(result: RunResult) -> str:
    """The number of images and the share in which P recognises the intended class."""
    share = result.recognised
    if result.cosine is not None:
        return f"{share.n} images from the source {result.spec.synthesis.source}, without labels."
    if result.dense:
        return (
            f"{share.n} images from the source {result.spec.synthesis.source}: P sees "
            f"{100 * share.value:.0f} % of what they were made to show."
        )
    return (
        f"{share.n} images from the source {result.spec.synthesis.source}: P recognises the "
        f"intended class in {100 * share.value:.0f} % of them (95 % interval "
        f"{100 * share.low:.0f} to {100 * share.high:.0f} %)."
    )


def sources(run: Stored, runs: Sequence[Stored]) -> None:
    """P and Q for all sample sources, with all other settings as in this run."""
    results = [one.result for one in runs]
    show.chart(
        accuracy.sources(results).with_suffix(slug(run.result)),
        key="sources",
        note="Same bit widths and same back-end; only the calibration images differ.",
    )
    known = {result.spec.synthesis.source for result in results}
    if missing := [name for name in SOURCES if name not in known]:
        st.caption(
            f"Not computed with these settings: {', '.join(missing)}. Choose such a source above "
            "and press Run."
        )


def tensor(table: pd.DataFrame) -> None:
    """One tensor of Q, chosen by name or by a click on the diagram. table: `tensors.frame`."""
    quantized = table[table["quantized"].astype(bool)]
    left, right = st.columns([1, 2], vertical_alignment="bottom")
    name = left.selectbox("Tensor", list(quantized["tensor"]), key="tensor")
    row = quantized.set_index("tensor").loc[name]
    noise = f"SQNR {row['sqnr_db']:.1f} dB" if math.isfinite(row["sqnr_db"]) else "exact"
    right.markdown(
        f"**{row['role']}**, {row['bits']} bits, {noise}. Levels from {row['low']:.3g} to "
        f"{row['high']:.3g} ({row['grid']}), one scale per {row['granularity']}; "
        f"{100 * row['clipped']:.2f} % of the values are clipped."
    )


def evidence(run: Stored) -> Evidence | None:
    """The evidence of a run; None without one. A damaged file shows an error."""
    return show.attempt(lambda: run.evidence)


def metrics(run: Stored, stage: str | None = None) -> None:
    """The metrics of a run at each step, of all stages or of one."""
    table = run.curves if stage is None else run.curves[run.curves["stage"] == stage]
    if curves.quantities(table):
        show.chart(curves.curves(table).with_suffix(slug(run.result)), key="curves")
    elif stage is not None:
        st.info(f"The back-end {run.result.spec.fit.backend} works in one pass, without steps.")


def repeat(run: Stored) -> None:
    """The cost of a run, the command that repeats it, and its download."""
    result = run.result
    st.caption(f"{cost(result)} The same run on the command line:")
    st.code(command_of(result.spec), language="bash", wrap_lines=True)
    st.download_button(
        "Download the result as JSON",
        result.to_json,
        file_name=f"maskaq-{slug(result)}.json",
        mime="application/json",
        icon=":material/download:",
        key="result_json",
        on_click="ignore",
    )


def cost(result: RunResult) -> str:
    """Seconds of each stage, peak memory and device, in one line."""
    stages = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in result.seconds.items())
    return f"Time: {stages}. Peak memory {result.peak_memory_mb:,.0f} MB on {result.device}."


def slug(result: RunResult) -> str:
    """Bit widths, source and back-end of a run, for file names."""
    spec = result.spec
    return f"{spec.quantization.name}-{spec.synthesis.source}-{spec.fit.backend}"


def differing(settings: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """The settings in which runs differ, one column per run.

    settings: from `reports.tables.settings`, by name of the run.
    """
    columns = [table.set_index("setting")["value"].rename(name) for name, table in settings.items()]
    together = pd.concat(columns, axis=1)
    return together[together.nunique(axis=1) > 1].reset_index()


def side_by_side(runs: Sequence[Stored], names: Sequence[str]) -> None:
    """The calibration images of several runs, side by side."""
    for first in range(0, len(runs), _COLUMNS):
        row = zip(runs[first : first + _COLUMNS], names[first : first + _COLUMNS], strict=True)
        for place, (run, name) in zip(st.columns(_COLUMNS, gap="medium"), row, strict=False):
            with place:
                st.markdown(f"**{name}**")
                images(run)
                st.caption(show.where_from(run))
