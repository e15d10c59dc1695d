"""What a result says, in one sentence with its uncertainty, computed from the stored numbers."""

from collections.abc import Sequence

from maskaq.errors import OptionError
from maskaq.intervals import Interval
from maskaq.results.comparison import between, difference, scored
from maskaq.results.store import Stored

_LISTED = 4  # runs that a sentence names


def of_run(run: Stored) -> str:
    """How much of P's accuracy Q keeps. Markdown.

    The difference is paired where the run stored its predictions.

    Raises:
        RunError: the run is damaged.
    """
    result = run.result
    p, q = result.top1_p, result.top1_q
    dense = run.evidence is not None and run.evidence.draws is not None
    what, of = (result.metrics[0], f"{result.metrics[0]} on") if dense else ("accuracy", "of")
    share = f" keeps {100 * q.value / p.value:.1f} % of the {what}" if p.value else ""
    text = (
        f"**At {result.spec.quantization.name} the quantized model{share}**: {100 * q.value:.1f} % "
        f"{of} {q.n:,} images against {100 * p.value:.1f} % in full precision"
    )
    change = q_minus_p(run)
    return f"{text}, {points(change)}." if change is not None else f"{text}."


def q_minus_p(run: Stored) -> Interval | None:
    """Q's main metric minus P's on the same images, in -1..1; None without stored predictions.

    Raises:
        RunError: the run is damaged.
    """
    evidence = run.evidence
    if evidence is None:
        return None
    p, q = run.result.fp.top1, run.result.q.top1
    return between(scored(p, evidence, 0), scored(q, evidence, 1))


def among(runs: Sequence[Stored], names: Sequence[str]) -> str:
    """Which of several runs has the most accurate Q, and by how much. Markdown.

    Runs on the same images are compared in pairs; others by whether their intervals overlap.

    Raises:
        OptionError: no runs. RunError: a run is damaged.
    """
    if not runs:
        raise OptionError("a verdict needs at least one run.")
    if len(runs) == 1:
        return of_run(runs[0])
    best = max(range(len(runs)), key=lambda place: runs[place].result.top1_q.value)
    equal: list[str] = []
    behind: list[tuple[float, str]] = []
    for place, run in enumerate(runs):
        if place == best:
            continue
        change = difference(runs[best], run)
        if change is None:
            lower = run.result.top1_q.high < runs[best].result.top1_q.low
            text = f"{names[place]}, on other images"
        else:
            lower = change.high < 0
            text = f"{names[place]} by {points(change, sign=False)}"
        if lower:
            behind.append((run.result.top1_q.value, text))
        else:
            equal.append(names[place])
    if not equal:
        return f"**{names[best]} wins**, ahead of {_behind(behind)}."
    tied = f"**{listed([names[best], *equal])} cannot be told apart** on these images"
    return f"{tied}; behind them: {_behind(behind)}." if behind else f"{tied}."


def _behind(runs: Sequence[tuple[float, str]]) -> str:
    """Runs that are behind, each with its accuracy; only the last one of many."""
    if len(runs) <= _LISTED:
        return listed([text for _, text in runs])
    return f"{len(runs)} others, the last of which is {min(runs)[1]}"


def points(change: Interval, *, sign: bool = True) -> str:
    """A difference of two shares, in percentage points, with its 95 % interval.

    sign: False for the size of a difference whose direction the sentence says.

    >>> points(Interval(-0.021, -0.03, -0.012, 5000))
    '-2.1 points (95 % interval -3.0 to -1.2)'
    >>> points(Interval(-0.021, -0.03, -0.012, 5000), sign=False)
    '2.1 points (95 % interval 1.2 to 3.0)'
    """
    value, low, high = (100 * share for share in change[:3])
    if not sign and value < 0:
        value, low, high = -value, -high, -low
    plus = "+" if sign else ""
    return f"{value:{plus}.1f} points (95 % interval {low:{plus}.1f} to {high:{plus}.1f})"


def listed(names: Sequence[str]) -> str:
    """Names as a list in a sentence.

    >>> listed(["noise"]), listed(["noise", "real"]), listed(["noise", "mimiq", "real"])
    ('noise', 'noise and real', 'noise, mimiq and real')
    """
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last
