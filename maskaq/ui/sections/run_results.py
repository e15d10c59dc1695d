"""A finished run on the page. Stored examples and live runs are drawn by this same code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from maskaq.config.components import SOURCE_NAMES
from maskaq.config.overrides import command_of
from maskaq.errors import RunError
from maskaq.figures.results import accuracy, curves, tensors
from maskaq.ui.shell import router
from maskaq.ui.state import selection, session, stored_runs
from maskaq.ui.widgets import run_form, run_panel, show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maskaq.config import RunSpec
    from maskaq.results.artifacts import Evidence
    from maskaq.results.result import RunResult
    from maskaq.results.store import Stored

_ABREAST = 4  # runs in a row
_TENSOR_COLUMNS = {
    "tensor": st.column_config.TextColumn("Tensor"),
    "role": st.column_config.TextColumn("Role"),
    "bits": st.column_config.NumberColumn("Bits", help="32 where the tensor stays in float"),
    "sqnr_db": st.column_config.NumberColumn(
        "SQNR, dB", format="%.1f", help="10 log10(power of the signal / power of the error)"
    ),
    "clipped": st.column_config.NumberColumn(
        "Clipped", format="percent", help="Share of values outside the range"
    ),
    "granularity": st.column_config.TextColumn(
        "One scale per", help="A scale per channel is finer than one for the whole tensor"
    ),
    "grid": st.column_config.TextColumn("Grid", help="How the levels are spaced"),
    "low": st.column_config.NumberColumn("Lowest level", format="%.3g"),
    "high": st.column_config.NumberColumn("Highest level", format="%.3g"),
    "quantized": st.column_config.CheckboxColumn("Quantized"),
    "why": st.column_config.TextColumn("If not, why"),
}


def or_nearest(found: Stored | None, spec: RunSpec, choice: selection.Choice) -> Stored:
    """The run that was found; else the nearest stored example, which is said; else the page ends.

    While a run is under way there is nothing to add to its progress, so the page ends too.
    """
    if found is not None:
        return found
    if run_panel.busy():
        router.stop()
    near = stored_runs.closest(choice, spec.synthesis.source)
    remedy = "" if choice.readonly else " Press Run to compute it."
    said = f"Not computed yet: {selection.title(spec)}.{remedy}"
    if near is None:
        st.info(said)
        router.stop()
    st.info(
        f"{said}\n\nUntil then you see a stored example with other settings: "
        f"{selection.title(near.result.spec)}.",
        icon=":material/history:",
    )
    return near


def headline(run: Stored) -> None:
    """Where the run comes from, three numbers with their intervals, and the chart of them."""
    result = run.result
    st.caption(f"{show.where_from(run)} {selection.title(result.spec)}.")
    _numbers(result)
    shares, pictures = st.columns([3, 2], gap="large")
    with shares:
        table = accuracy.frame(result)
        show.figure(
            accuracy.accuracy(table),
            table,
            alt=accuracy.describe(table),
            key="accuracy",
            name=f"accuracy-{slug(result)}",
            note=f"Q is {100 * (result.q.top1 - result.fp.top1):+.1f} points from P. Top-5 counts "
            "an answer as right if the true class is among the five likeliest.",
        )
    with pictures:
        st.markdown("**The images that Q was fitted to**")
        images(run)


def _numbers(result: RunResult) -> None:
    places = st.columns(3)
    with places[0]:
        show.number(
            "P, full precision",
            *result.top1_p,
            "Top-1 accuracy: the share of images whose likeliest class is the right one.",
        )
    with places[1]:
        show.number(
            f"Q, {result.spec.quantization.name}",
            *result.top1_q,
            "Top-1 accuracy of the quantized model on the same images.",
        )
    with places[2]:
        show.number(
            "Same answer",
            *(result.agreement, result.agreement_low, result.agreement_high, result.evaluated),
            "Share of images for which P and Q name the same class, right or wrong.",
        )


def images(run: Stored) -> None:
    """The images that Q was fitted to, on one sheet."""
    source = run.result.spec.synthesis.source
    sheet = run.sheet
    if sheet is None:
        st.info("This run was stored without its images.")
        return
    st.image(
        sheet,
        width="stretch",
        caption=seen_in(run.result),
        alt=f"A sheet of images from the source {source}.",
    )


def seen_in(result: RunResult) -> str:
    """How many images there were and what P sees in them, with its interval."""
    share = result.recognised
    return (
        f"{share.n} images from the source {result.spec.synthesis.source}. P gives "
        f"{share.value:.0%} of them the class they were made for (95 % interval {share.low:.0%} to "
        f"{share.high:.0%}, n = {share.n})."
    )


def sources(run: Stored) -> None:
    """P and Q for all sources of images, everything else being as in this run."""
    found = run_form.by_source(run, stored_runs.listed(session.owner()))
    results = [one.result for one in found]
    table = accuracy.sources_frame(results)
    show.figure(
        accuracy.sources(results),
        table,
        alt=accuracy.describe_sources(table),
        key="sources",
        name=f"sources-{slug(run.result)}",
        note="Same bits and same back-end; only the images that Q was fitted to differ. Where two "
        "whiskers overlap widely, the difference may be chance.",
    )
    known = {result.spec.synthesis.source for result in results}
    if missing := [name for name in SOURCE_NAMES if name not in known]:
        st.caption(
            f"Not computed with these settings: {', '.join(missing)}. Choose such a source above "
            "and press Run."
        )


def tensor_report(run: Stored) -> None:
    """What rounding does to every tensor: by layer, along the network, and as a table."""
    table = tensors.frame(run.result)
    name = slug(run.result)
    st.markdown(
        "Each layer rounds its weights and what flows into it. The **SQNR** says how much of a "
        "signal is left: at 20 dB the rounding error is a tenth of the signal, at 0 dB it is as "
        "large."
    )
    show.formula("sqnr")
    show.figure(
        tensors.layers(table),
        tensors.layers_frame(table),
        alt=tensors.describe_layers(table),
        key="layers",
        name=f"layers-{name}",
        note="A row for each block, the input of the network on top. In each cell: bits, and SQNR "
        "in dB.",
    )
    show.figure(
        tensors.sqnr(table), table, alt=tensors.describe(table), key="sqnr", name=f"sqnr-{name}"
    )
    st.markdown("**Every tensor.** Click on the head of a column to sort by it.")
    show.frame(
        table[list(_TENSOR_COLUMNS)],
        alt="Bits, range, clipping and SQNR of each tensor of Q.",
        key="tensors",
        name=f"tensors-{name}",
        columns=_TENSOR_COLUMNS,
    )


def evidence(run: Stored) -> Evidence | None:
    """What the run keeps for the eye; None without, or with a damaged file, which is said."""
    try:
        return run.evidence
    except RunError as error:
        st.error(str(error), icon=":material/error:")
        return None


def course(run: Stored, stage: str | None = None) -> None:
    """What the run measured at its steps. stage: only one of them."""
    table = run.curves if stage is None else run.curves[run.curves["stage"] == stage]
    if curves.quantities(table):
        table = table.dropna(axis=1, how="all")
        show.figure(
            curves.curves(table),
            table,
            alt=curves.describe(table),
            key="curves",
            name=f"curves-{slug(run.result)}",
        )
    elif stage is not None:
        st.info(f"The back-end {run.result.spec.fit.backend} works in one pass, without steps.")


def repeat(run: Stored) -> None:
    """What the run cost, the command that repeats it, and its file."""
    result = run.result
    st.caption(cost(result))
    st.markdown("The same run on the command line:")
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
    """Seconds of each stage, memory and device in one line."""
    stages = ", ".join(f"{name} {taken:.1f} s" for name, taken in result.seconds.items())
    return f"Time: {stages}. Peak memory {result.peak_memory_mb:,.0f} MB on {result.device}."


def slug(result: RunResult) -> str:
    """A run in the name of a file."""
    spec = result.spec
    return f"{spec.quantization.name}-{spec.synthesis.source}-{spec.fit.backend}"


def differing(settings: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """The settings in which runs differ, a column each, from `reports.tables.settings` by name."""
    columns = [table.set_index("setting")["value"].rename(name) for name, table in settings.items()]
    together = pd.concat(columns, axis=1)
    return together[together.nunique(axis=1) > 1].reset_index()


def side_by_side(runs: Sequence[Stored], names: Sequence[str]) -> None:
    """The images of some runs, a few in a row, each under the name of its run."""
    for first in range(0, len(runs), _ABREAST):
        row = zip(runs[first : first + _ABREAST], names[first : first + _ABREAST], strict=True)
        for place, (run, name) in zip(st.columns(_ABREAST, gap="medium"), row, strict=False):
            with place:
                st.markdown(f"**{name}**")
                images(run)
                st.caption(show.where_from(run))
