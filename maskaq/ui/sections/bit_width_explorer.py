"""The accuracy of Q at other bit widths, with the samples of a finished run.

For the samples that ship with maskaq the accuracies are stored. For others a worker fits the ranges
of Q and evaluates it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import streamlit as st

from maskaq.figures.results import bit_width_grid
from maskaq.intervals import Interval, wilson
from maskaq.models.menu import BUNDLED
from maskaq.precomputed import showcase
from maskaq.ui.sections import run_results
from maskaq.ui.state import stored_runs
from maskaq.ui.widgets import query, show

if TYPE_CHECKING:
    from maskaq.results.store import Stored
    from maskaq.ui.state.selection import Choice

SCENES = 1000


class _Answer(NamedTuple):
    p: Interval | None
    q: Interval
    agreement: Interval
    backend: str
    origin: str


def panel(run: Stored, choice: Choice, first_last: str) -> None:
    """The accuracy at the chosen bits with the images of a run, beside the run's own number."""
    spec = run.result.spec
    if spec.model != BUNDLED or spec.data:
        st.info(
            f"This section needs the bundled model {BUNDLED}, which is evaluated on scenes. For "
            "other models press Run above."
        )
        return
    stored = None
    if stored_runs.shipped(run) and first_last == "8":
        stored = _stored(run, choice)
    answer = stored or _live(run, choice, first_last)
    if answer is not None:
        _show(run, choice, answer)
    if stored is not None:
        _map(spec.synthesis.source, choice)


def _stored(run: Stored, choice: Choice) -> _Answer | None:
    """The stored answer for these bit widths; None if the table lacks it."""
    table = showcase.bits()
    bits = (table["weight_bits"] == choice.weight_bits) & (
        table["activation_bits"] == choice.activation_bits
    )
    rows = table[bits & (table["source"] == run.result.spec.synthesis.source)]
    if rows.empty:
        return None
    row = rows.iloc[0]
    n = int(row["n"])
    q = Interval(float(row["top1"]), float(row["low"]), float(row["high"]), n)
    same = wilson(round(row["agreement"] * n), n)
    origin = f"Stored result for the images of the W4A4 example, made with `{showcase.COMMAND}`."
    return _Answer(_of_p(run, n), q, same, str(row["backend"]), origin)


def _of_p(run: Stored, n: int) -> Interval | None:
    """P on the first n scenes, which the quick answers use; None if the run did not store it."""
    evidence = run_results.evidence(run)
    if evidence is None or len(evidence.labels) < n:
        return None
    return wilson(int((evidence.answers[0, :n] == evidence.labels[:n]).sum()), n)


def _live(run: Stored, choice: Choice, first_last: str) -> _Answer | None:
    spec = run.result.spec
    if not run.samples:
        st.info("This run was stored without its images. Run it again to store them.")
        return None
    answer = query.answer(
        "accuracy",
        (run.folder, run.result.created, first_last),
        {
            "model": spec.model,
            "weights": spec.weights,
            "samples": run.samples["images"],
            "source": spec.synthesis.source,
            "weight_bits": choice.weight_bits,
            "activation_bits": choice.activation_bits,
            "first_last": first_last,
            "n": SCENES,
        },
    )
    if answer is None:
        return None
    origin = f"Computed on this machine in {answer['seconds']:.1f} s."
    return _Answer(answer["p"], answer["q"], answer["agreement"], answer["backend"], origin)


def _show(run: Stored, choice: Choice, answer: _Answer) -> None:
    result = run.result
    spec, places = result.spec, st.columns(4)
    if answer.p is not None:
        with places[0]:
            show.number("P on the same scenes", *answer.p, "About the best that Q can reach.")
    with places[1]:
        show.number(
            f"Q at {choice.bits}, back-end {answer.backend}",
            *answer.q,
            "Top-1 accuracy with these images at the bit widths in the sidebar.",
        )
    with places[2]:
        show.number(
            f"Agreement with P at {choice.bits}",
            *answer.agreement,
            "Share of scenes for which P and this Q predict the same class.",
        )
    with places[3]:
        show.number(
            f"This run: Q at {spec.quantization.name}, {spec.fit.backend}",
            *result.top1_q,
            "The accuracy of the run, as above. It was measured on more scenes, so small "
            "differences between the two Qs mean nothing. Compare each Q with P on the same "
            "scenes.",
        )
    st.caption(
        f"{answer.origin} Simulated arithmetic. The back-end {answer.backend} sets the ranges of Q "
        "in one pass, without learning."
    )


def _map(source: str, choice: Choice) -> None:
    table = bit_width_grid.frame(showcase.bits(), source)
    widest = max((table["high"] - table["value"]).max(), (table["value"] - table["low"]).max())
    show.chart(
        bit_width_grid.heatmap(table, (choice.weight_bits, choice.activation_bits), source),
        key="widths",
        note="All pairs of bit widths with the same images; the chosen pair has a frame. The 95 % "
        f"intervals are in the table; they are at most {widest:.1f} points wide on either side.",
    )
