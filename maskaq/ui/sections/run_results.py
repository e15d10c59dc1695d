"""A finished run on a page. Stored examples and live runs share this code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
import streamlit as st

from maskaq.config.components import SOURCES
from maskaq.config.overrides import command_of
from maskaq.figures.results import accuracy, curves, tensors
from maskaq.ui.state import selection, session, stored_runs, url
from maskaq.ui.widgets import run_panel, run_picker, show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from maskaq.config import RunSpec
    from maskaq.results.artifacts import Evidence
    from maskaq.results.result import RunResult
    from maskaq.results.store import Stored

_COLUMNS = 4  # runs in a row
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
    "why": st.column_config.TextColumn("Reason if not"),
}


def or_nearest(run: Stored | None, spec: RunSpec, choice: selection.Choice) -> Stored:
    """The run itself, or the nearest stored example with a note that says so.

    The page stops if there is neither, and while a run is in progress.
    """
    if run is not None:
        return run
    if run_panel.busy():
        url.stop()
    near = stored_runs.closest(choice, spec.synthesis.source)
    remedy = "" if choice.readonly else " Press Run to compute it."
    message = f"Not computed yet: {selection.title(spec)}.{remedy}"
    if near is None:
        st.info(message)
        url.stop()
    st.info(
        f"{message}\n\nUntil then, this page shows a stored example with other settings: "
        f"{selection.title(near.result.spec)}.",
        icon=":material/history:",
    )
    return near


def headline(run: Stored) -> None:
    """The origin of a run, its three main numbers with intervals, their chart, and its images."""
    result = run.result
    st.caption(f"{show.where_from(run)} {selection.title(result.spec)}.")
    _numbers(result)
    shares, pictures = st.columns([3, 2], gap="large")
    with shares:
        show.chart(
            accuracy.p_and_q(result).with_suffix(slug(result)),
            key="accuracy",
            note=f"Q is {100 * (result.q.top1 - result.fp.top1):+.1f} points from P. Top-5 counts "
            "an answer as correct if the true class is among the five most likely ones.",
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
            "Top-1 accuracy: the share of images whose most likely class is the true one.",
        )
    with places[1]:
        show.number(
            f"Q, {result.spec.quantization.name}",
            *result.top1_q,
            "Top-1 accuracy of the quantized model on the same images.",
        )
    with places[2]:
        show.number(
            "Agreement",
            *result.agreeing,
            "Share of images for which P and Q predict the same class, right or wrong.",
        )


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
    return (
        f"{share.n} images from the source {result.spec.synthesis.source}. P "
        f"recognises the intended class in {share.value:.0%} of them (95 % interval "
        f"{share.low:.0%} to {share.high:.0%}, n = {share.n})."
    )


def sources(run: Stored) -> None:
    """P and Q for all sample sources, with all other settings as in this run."""
    runs = run_picker.by_source(run, stored_runs.listed(session.owner()))
    results = [one.result for one in runs]
    show.chart(
        accuracy.sources(results).with_suffix(slug(run.result)),
        key="sources",
        note="Same bit widths and same back-end; only the calibration images differ. Where two "
        "intervals overlap widely, the difference may be chance.",
    )
    known = {result.spec.synthesis.source for result in results}
    if missing := [name for name in SOURCES if name not in known]:
        st.caption(
            f"Not computed with these settings: {', '.join(missing)}. Choose such a source above "
            "and press Run."
        )


def tensor_report(run: Stored) -> None:
    """The SQNR of every tensor: by block, along the network, and as a table."""
    table = tensors.frame(run.result)
    name = slug(run.result)
    st.markdown(
        "Each layer rounds its weights and its inputs. The **SQNR** (signal-to-quantization-noise "
        "ratio) says how large the rounding error is: a tenth of the signal at 20 dB, as large as "
        "the signal at 0 dB."
    )
    show.formula("sqnr")
    show.chart(
        tensors.layers(table).with_suffix(name),
        key="layers",
        note="One row per block, from input to output. Each cell shows the bit width and the SQNR "
        "in dB.",
    )
    show.chart(tensors.sqnr(table).with_suffix(name), key="sqnr")
    st.markdown("**Every tensor.** Click on a column header to sort.")
    show.frame(
        table[list(_TENSOR_COLUMNS)],
        alt="Bits, range, clipping and SQNR of each tensor of Q.",
        key="tensors",
        name=f"tensors-{name}",
        columns=_TENSOR_COLUMNS,
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
