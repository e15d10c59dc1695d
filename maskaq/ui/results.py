"""A finished run on the page. Stored examples and live runs are drawn by this same code."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import streamlit as st

from maskaq.figures import accuracy, curves, tensors
from maskaq.runs.command import command_of
from maskaq.ui import controls, library

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

    from maskaq.runs.result import RunResult
    from maskaq.runs.store import Stored

_TENSOR_COLUMNS = {
    "tensor": st.column_config.TextColumn("Tensor"),
    "role": st.column_config.TextColumn("Role"),
    "bits": st.column_config.NumberColumn("Bits", help="32 where the tensor stays in float"),
    "granularity": st.column_config.TextColumn(
        "One scale per", help="A scale per channel is finer than one for the whole tensor"
    ),
    "grid": st.column_config.TextColumn("Grid", help="How the levels are spaced"),
    "low": st.column_config.NumberColumn("Lowest level", format="%.3g"),
    "high": st.column_config.NumberColumn("Highest level", format="%.3g"),
    "clipped": st.column_config.NumberColumn(
        "Clipped", format="percent", help="Share of values outside the range"
    ),
    "sqnr_db": st.column_config.NumberColumn(
        "SQNR, dB", format="%.1f", help="10 log10(power of the signal / power of the error)"
    ),
    "quantized": st.column_config.CheckboxColumn("Quantized"),
    "why": st.column_config.TextColumn("If not, why"),
}


def where_from(run: Stored) -> str:
    """Whether a run ships with maskaq or was computed here, and when."""
    when = f"{datetime.fromisoformat(run.result.created):%d %B %Y, %H:%M UTC}"
    if library.EXAMPLES in run.folder.parents:
        return f"Stored example, shipped with maskaq and computed on {when}."
    return f"Computed on this machine on {when}."


def headline(run: Stored) -> None:
    """Label, three numbers with their intervals, and the chart of them."""
    result = run.result
    st.caption(f"{where_from(run)} {controls.title(result.spec)}.")
    table = accuracy.frame(result)
    points = 100 * (result.q.top1 - result.fp.top1)
    p, q, same = st.columns(3)
    _number(
        p,
        "P, full precision",
        (result.fp.top1, result.fp.top1_low, result.fp.top1_high),
        "Top-1 accuracy: the share of images whose likeliest class is the right one.",
    )
    _number(
        q,
        f"Q, {result.spec.quantization.name}",
        (result.q.top1, result.q.top1_low, result.q.top1_high),
        f"Top-1 accuracy of the quantized model on the same images, {points:+.1f} points from P.",
    )
    _number(
        same,
        "Same answer",
        (result.agreement, result.agreement_low, result.agreement_high),
        "Share of images for which P and Q name the same class, right or wrong.",
    )
    st.caption(f"On {result.evaluated:,} images. Q is {points:+.1f} points from P.")
    st.plotly_chart(accuracy.accuracy(table), key="accuracy", alt=accuracy.describe(table))
    with st.expander("These numbers as a table"):
        st.dataframe(
            table.round(2),
            hide_index=True,
            alt="Each share with its 95 % interval in %.",
            column_config={"value": "%", "low": "from, %", "high": "to, %", "n": "images"},
        )


def _number(place: DeltaGenerator, label: str, share: tuple[float, ...], meaning: str) -> None:
    """One share with its 95 % interval; `share` is value, low, high in 0..1."""
    value, low, high = share
    box = place.container(border=True)
    box.metric(label, f"{value:.1%}", help=meaning)
    box.caption(f"{100 * low:.1f} to {100 * high:.1f} %")


def images(run: Stored) -> None:
    """The synthetic images that Q was fitted to."""
    count, source = run.result.samples["count"], run.result.spec.synthesis.source
    st.subheader("The images that Q was fitted to")
    st.image(
        str(run.sheet),
        width="stretch",
        caption=f"{count:g} images were used, from the source {source}.",
        alt=f"A sheet of images from the source {source}.",
    )
    share = run.result.samples["recognised"]
    st.caption(f"P gives {share:.0%} of them the class that they were made for.")


def details(run: Stored) -> None:
    """Curves, the per-tensor report, the costs and the download."""
    result = run.result
    if curves.quantities(run.curves):
        drawn = curves.curves(run.curves)
        st.plotly_chart(drawn, key="curves", alt=curves.describe(run.curves))
        with st.expander("These curves as a table"):
            st.dataframe(run.curves, hide_index=True, alt="One row per step.")
    st.subheader("Tensor by tensor")
    table = tensors.frame(result)
    st.plotly_chart(tensors.sqnr(table), key="sqnr", alt=tensors.describe(table))
    st.dataframe(
        table,
        hide_index=True,
        column_config=_TENSOR_COLUMNS,
        alt="Bits, range, clipping and SQNR of each tensor of Q.",
    )
    st.caption(cost(result))
    st.markdown("The same run on the command line:")
    st.code(command_of(result.spec), language="bash", wrap_lines=True)
    st.download_button(
        "Download the result as JSON",
        result.to_json(),
        file_name=f"maskaq-{result.spec.quantization.name}-{result.spec.synthesis.source}.json",
        mime="application/json",
        icon=":material/download:",
        on_click="ignore",
    )


def cost(result: RunResult) -> str:
    """Seconds of each stage, memory and device in one line."""
    stages = ", ".join(f"{name} {taken:.1f} s" for name, taken in result.seconds.items())
    return f"Time: {stages}. Peak memory {result.peak_memory_mb:,.0f} MB on {result.device}."
