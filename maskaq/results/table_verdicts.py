"""What a table of accuracies says, in a sentence or two computed from its numbers. Markdown."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from maskaq.intervals import Interval, student
from maskaq.results.comparison import difference
from maskaq.results.verdicts import listed, points

if TYPE_CHECKING:
    import pandas as pd

    from maskaq.results.store import Stored

_IMAGES = 50_000  # of ImageNet's validation split, on which papers report
_Z = 1.96
_DATA = {"data-free": "Without real images", "real images": "With real images"}
_MARK = "†"  # of a lead that may be chance


def of_grid(cells: Mapping[tuple[str, str], Stored], names: tuple[str, str]) -> str:
    """Which of two settings matters more for Q's accuracy, over a grid of runs.

    Args:
        cells: the finished runs by their values of the two settings. names: of the settings.

    Raises:
        RunError: a run is damaged.
    """
    effects = [(name, _effect(cells, axis)) for axis, name in enumerate(names)]
    known = [(_the(name), effect) for name, effect in effects if effect is not None]
    if not known:
        return "Too few runs are finished to say which setting matters."
    known.sort(key=lambda pair: -pair[1].value)
    (first, effect), *others = known
    if effect.low <= 0:
        every = " or ".join(name for name, _ in known)
        return f"**No effect of {every} can be seen** on these images."
    if others and others[0][1].high >= effect.low:
        said = f"**It depends on {first} and {others[0][0]} about equally**: {_spread(effect)}"
    else:
        said = f"**{'Most' if others else 'It'} depends on {first}**: {_spread(effect)}"
    said += " between best and worst"
    for name, one in others:
        said += f"; on {name}: {_spread(one)}{', which may be chance' if one.low <= 0 else ''}"
    return f"{said}."


def ends_of_grid(cells: Mapping[tuple[str, str], Stored]) -> str:
    """The best and the worst run of a grid, and their paired difference; empty without runs.

    Raises:
        RunError: a run is damaged.
    """
    order = sorted(cells, key=lambda cell: cells[cell].result.top1_q.value)
    if not order:
        return ""
    worst, best = order[0], order[-1]
    text = f"Best: {_cell(best)}, {100 * cells[best].result.top1_q.value:.1f} %."
    if len(order) == 1:
        return text
    return f"{text} Worst: {_cell(worst)}, {_lower(cells[best], cells[worst])}."


def _the(name: str) -> str:
    return f"the {name.replace('_', ' ')}"


def _spread(effect: Interval) -> str:
    return points(effect, sign=effect.low <= 0)


def _cell(cell: tuple[str, str]) -> str:
    return f"{cell[0]} with {cell[1]}"


def _lower(best: Stored, worst: Stored) -> str:
    change = difference(best, worst)
    if change is None:
        return f"{100 * worst.result.top1_q.value:.1f} %, on other images"
    return f"lower by {points(change, sign=False)}, n = {change.n:,}"


def _effect(cells: Mapping[tuple[str, str], Stored], axis: int) -> Interval | None:
    """Q's top-1 at the best value of a setting minus that at its worst, averaged over the other.

    Only values of the other setting for which all runs are finished count. None without any, and
    for a setting with one value.
    """
    values = list(dict.fromkeys(cell[axis] for cell in cells))
    others = list(dict.fromkeys(cell[1 - axis] for cell in cells))

    def run(value: str, other: str) -> Stored | None:
        return cells.get((value, other) if axis == 0 else (other, value))

    whole = [other for other in others if all(run(value, other) for value in values)]
    if len(values) < 2 or not whole:
        return None
    rows = {value: [found for other in whole if (found := run(value, other))] for value in values}
    means = {v: math.fsum(r.result.top1_q.value for r in rows[v]) / len(whole) for v in values}
    worst, best = min(values, key=means.__getitem__), max(values, key=means.__getitem__)
    return _mean_difference(rows[worst], rows[best])


def _mean_difference(first: Sequence[Stored], second: Sequence[Stored]) -> Interval:
    """Mean difference of pairs of runs; paired image by image where all saw the same images."""
    runs = [*first, *second]
    if all(difference(runs[0], run) is not None for run in runs):
        hits = [
            np.stack([one.answers[1] == one.labels for run in side if (one := run.evidence)])
            for side in (first, second)
        ]  # [runs,n] each
        changes = hits[1].mean(0) - hits[0].mean(0)  # [n]
        return student(changes.tolist())
    shares = [(a.result.top1_q, b.result.top1_q) for a, b in zip(first, second, strict=True)]
    value = math.fsum(b.value - a.value for a, b in shares) / len(shares)
    squares = math.fsum(((one.high - one.low) / 2) ** 2 for pair in shares for one in pair)
    half = math.sqrt(squares) / len(shares)
    return Interval(
        value, value - half, value + half, min(one.n for pair in shares for one in pair)
    )


def of_measured(table: pd.DataFrame) -> str:
    """Which source is best, which its interval does not separate from it, and which are behind.

    table: rows of one number format from `maskaq.figures.results.accuracy_table.frame`.
    """
    best = table.iloc[int(table["q"].to_numpy().argmax())]
    text = (
        f"**{best['source']} with {best['backend']} is highest**: {best['q']:.1f} % (95 % interval "
        f"{best['low']:.1f} to {best['high']:.1f}; full precision {table['p'].mean():.1f} %)"
    )
    equal = _equal(table[table["backend"] == best["backend"]])
    others = [source for source in equal["source"] if source != best["source"]]
    if others:
        text += f". {listed(others)} cannot be told apart from it"
    return f"{text}. {_behind(table)}"


def _equal(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of one back-end whose intervals reach that of the best one."""
    lowest = float(rows["low"].iloc[int(rows["q"].to_numpy().argmax())])
    return rows[rows["high"] >= lowest]


def among_the_best(table: pd.DataFrame) -> pd.Series[bool]:
    """For each row, whether its source cannot be told apart from the best with its back-end."""
    found = [name for _, rows in table.groupby("backend") for name in _equal(rows).index]
    return table.index.to_series().isin(found)


def _behind(table: pd.DataFrame) -> str:
    """Sources whose interval is below that of the best one with most back-ends."""
    behind = table.assign(lower=~among_the_best(table))
    share = behind.groupby("source", sort=False)["lower"].agg(["sum", "size"])
    often = share[share["sum"] * 2 > share["size"]].sort_values("sum", ascending=False)
    if often.empty:
        return "No source is behind with most back-ends."
    parts = [f"{row.Index} ({row.sum} of {row.size})" for row in often.itertuples()]
    return f"Behind with most back-ends: {listed(parts)}."


def of_published(rows: pd.DataFrame) -> str:
    """Which method has the highest printed number for each model.

    The papers give no intervals. A lead is called chance if it is within the 95 % interval of two
    independent measurements on ImageNet's 50 000 images, which is wider than that of a pair.

    rows: numbers of one published table and one number format, see
    `maskaq.precomputed.published.frame`.
    """
    said = []
    for kind, start in _DATA.items():
        part = rows[rows["data"] == kind]
        if part.empty:
            continue
        models = list(dict.fromkeys(part["model"]))
        if part["method"].nunique() == 1:
            said.append(f"**{start}, {part['method'].iloc[0]} is the only method printed**")
            continue
        wins: dict[str, list[str]] = {}
        for model in models:
            ranked = part[part["model"] == model].sort_values("top1", ascending=False)
            top, *rest = (float(number) for number in ranked["top1"])
            mark = _MARK if rest and _by_chance(top, rest[0]) else ""
            wins.setdefault(str(ranked["method"].iloc[0]), []).append(f"{model}{mark}")
        parts = [
            f"{method} for {listed(won) if len(won) < len(models) or len(won) < 2 else _all(won)}"
            for method, won in sorted(wins.items(), key=lambda pair: -len(pair[1]))
        ]
        said.append(f"**{start}, highest is {'; '.join(parts)}**")
    text = ". ".join(said) + "."
    if _MARK in text:
        text += f" {_MARK} The lead is within the 95 % interval of 50,000 test images."
    return text


def _all(models: Sequence[str]) -> str:
    marked = [model for model in models if model.endswith(_MARK)]
    return f"all {len(models)} models" + (f" ({', '.join(marked)})" if marked else "")


def _by_chance(first: float, second: float) -> bool:
    variance = math.fsum(share * (100 - share) for share in (first, second)) / _IMAGES
    return first - second <= _Z * math.sqrt(variance)
