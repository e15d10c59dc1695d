"""The accuracy of Q at other bit widths, with the samples of a finished run.

For the samples that ship with maskaq the accuracies are stored. For others a worker fits the ranges
of Q and evaluates it.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import streamlit as st

from maskaq.config.parsing import parse_bits
from maskaq.errors import MaskaqError
from maskaq.figures.results import bit_width_grid
from maskaq.intervals import Interval, wilson
from maskaq.models.menu import BUNDLED, SHIPPED
from maskaq.precomputed import showcase
from maskaq.ui.sections import run_results
from maskaq.ui.state import selection, stored_runs
from maskaq.ui.widgets import query, show

if TYPE_CHECKING:
    from maskaq.config import QuantOptions
    from maskaq.results.store import Stored
    from maskaq.ui.state.selection import Choice

SCENES = 1000


class _Answer(NamedTuple):
    p: Interval | None
    q: Interval
    agreement: Interval
    backend: str
    origin: str


def panel(run: Stored, choice: Choice, formats: QuantOptions) -> None:
    """The accuracy at the chosen bits with the images of a run, beside the run's own number.

    formats: the other number formats of the run.
    """
    spec = run.result.spec
    possible = [name for name, one in SHIPPED.items() if one.task == "classification"]
    if spec.model not in possible or spec.weights or spec.data:
        st.info(
            f"This section needs a bundled classifier ({', '.join(possible)}), which is evaluated "
            "on scenes. For other models press Run above."
        )
        return
    stored = None
    plain = (formats.first_last, formats.scheme) == ("8", "auto")
    if stored_runs.shipped(run) and spec.model == BUNDLED and plain:
        stored = _stored(run, choice)
    answer = stored or _live(run, choice, formats)
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


def _live(run: Stored, choice: Choice, formats: QuantOptions) -> _Answer | None:
    spec = run.result.spec
    if not run.samples:
        st.info("This run was stored without its images. Run it again to store them.")
        return None
    answer = query.answer(
        "accuracy",
        (run.folder, run.result.created, formats.first_last, formats.scheme),
        {
            "model": spec.model,
            "weights": spec.weights,
            "samples": run.samples["images"],
            "source": spec.synthesis.source,
            "weight_bits": choice.weight_bits,
            "activation_bits": choice.activation_bits,
            "first_last": formats.first_last,
            "scheme": formats.scheme,
            "n": SCENES,
        },
    )
    if answer is None:
        return None
    origin = f"Computed on this machine in {answer['seconds']:.1f} s."
    return _Answer(answer["p"], answer["q"], answer["agreement"], answer["backend"], origin)


def _show(run: Stored, choice: Choice, answer: _Answer) -> None:
    source, q, same = run.result.spec.synthesis.source, answer.q, answer.agreement
    below = ""
    if answer.p:  # only the difference: a run evaluates P on more images
        below = f", {100 * (q.value - answer.p.value):+.1f} points from full precision on them"
    show.verdict(
        f"**At {choice.bits} with these images: {100 * q.value:.1f} %** of {q.n:,} scenes right "
        f"(95 % interval {100 * q.low:.1f} to {100 * q.high:.1f} %){below}. Q agrees with P on "
        f"{100 * same.value:.1f} %."
    )
    st.caption(
        f"{answer.origin} The images of the source {source} stay the same at all bit widths, and "
        f"the back-end {answer.backend} only sets the ranges of Q, so a run can do better."
    )


def _map(source: str, choice: Choice) -> None:
    table = bit_width_grid.frame(showcase.bits(), source)
    widest = max((table["high"] - table["value"]).max(), (table["value"] - table["low"]).max())
    show.chart(
        bit_width_grid.heatmap(table, (choice.weight_bits, choice.activation_bits), source),
        key="widths",
        note="Click a cell to choose its bit widths. 95 % intervals are at most "
        f"{widest:.1f} points wide on either side.",
        pick=_pick,
    )


def _pick(name: object) -> None:
    with suppress(MaskaqError):  # a client may send anything
        selection.set_bits(*parse_bits(str(name)))
