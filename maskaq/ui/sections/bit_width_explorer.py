"""Another bit-width with samples that are there already: the accuracy of Q in a moment.

For the images that ship with maskaq the answers are stored, so they need no worker; for others a
worker fits the ranges of Q to them and tests it.
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
            f"This is for the bundled model {BUNDLED}, which can be tested on scenes. Press Run "
            "above for other models."
        )
        return
    stored = None
    if stored_runs.shipped(run) and first_last == "8":
        stored = _stored(run, choice)
    answer = stored or _live(run, choice, first_last)
    if answer is not None:
        _draw(run, choice, answer)
    if stored is not None:
        _map(spec.synthesis.source, choice)


def _stored(run: Stored, choice: Choice) -> _Answer | None:
    """What is stored for these bits; the table may lack some, while it is being made."""
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
    origin = f"Stored, for the images of the W4A4 example; made with `{showcase.COMMAND}`."
    return _Answer(_of_p(run, n), q, same, str(row["backend"]), origin)


def _of_p(run: Stored, n: int) -> Interval | None:
    """P on the first n scenes, those of the quick answers; None where the run does not tell."""
    seen = run_results.evidence(run)
    if seen is None or len(seen.labels) < n:
        return None
    return wilson(int((seen.answers[0, :n] == seen.labels[:n]).sum()), n)


def _live(run: Stored, choice: Choice, first_last: str) -> _Answer | None:
    spec = run.result.spec
    if not run.samples:
        st.info("This run was stored without its single images. Run it again to have them.")
        return None
    found = query.answer(
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
    if found is None:
        return None
    origin = f"Computed on this machine in {found['seconds']:.1f} s."
    return _Answer(found["p"], found["q"], found["agreement"], found["backend"], origin)


def _draw(run: Stored, choice: Choice, answer: _Answer) -> None:
    result = run.result
    spec, places = result.spec, st.columns(4)
    if answer.p is not None:
        with places[0]:
            show.number("P on the same scenes", *answer.p, "What Q can reach at best, about.")
    with places[1]:
        show.number(
            f"Q at {choice.bits}, back-end {answer.backend}",
            *answer.q,
            "Top-1 accuracy with these images and the bits of the sidebar.",
        )
    with places[2]:
        show.number(
            f"Same answer as P at {choice.bits}",
            *answer.agreement,
            "Share of scenes for which P and this Q name the same class.",
        )
    with places[3]:
        show.number(
            f"This run: Q at {spec.quantization.name}, {spec.fit.backend}",
            *result.top1_q,
            "The run's own number, as above. It was tested on more scenes, so compare Q with P on "
            "the same scenes, and not one Q with the other to a tenth.",
        )
    st.caption(
        f"{answer.origin} Simulated arithmetic. The ranges of Q are set in one pass by the "
        f"back-end {answer.backend}, which learns nothing."
    )


def _map(source: str, choice: Choice) -> None:
    table = bit_width_grid.frame(showcase.bits(), source)
    widest = max((table["high"] - table["value"]).max(), (table["value"] - table["low"]).max())
    show.figure(
        bit_width_grid.widths(table, (choice.weight_bits, choice.activation_bits), source),
        table,
        alt=bit_width_grid.describe(table),
        key="widths",
        name=f"widths-{source}",
        note="All pairs of bit-widths with the same images, the chosen pair framed. The 95 % "
        f"intervals are in the table; they reach at most {widest:.1f} points to either side.",
    )
