"""A table that compares stored runs: settings that differ, accuracies and costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import pandas as pd

from maskaq.config.dotted import flat
from maskaq.intervals import Interval, paired
from maskaq.results.store import Stored


def comparison(runs: Sequence[Stored]) -> pd.DataFrame:
    """A column per run: settings that differ, then accuracies and costs, formatted.

    Q's difference from the first run is paired, if both were evaluated on the same images.

    Raises:
        RunError: a run is damaged.
    """
    specs = [flat(asdict(run.result.spec)) for run in runs]
    rows = {
        name: [spec[name] for spec in specs]
        for name in specs[0]
        if len({str(spec[name]) for spec in specs}) > 1
    }
    rows["P top-1"] = [_percent(run.result.top1_p) for run in runs]
    rows["Q top-1"] = [_percent(run.result.top1_q) for run in runs]
    rows["Q minus first, points"] = [_points(runs[0], run) for run in runs]
    rows["evaluation images"] = [f"{run.result.evaluated:,}" for run in runs]
    rows["seconds"] = [f"{run.result.seconds['total']:.0f}" for run in runs]
    names = [str(run.folder) for run in runs]
    return pd.DataFrame.from_dict(rows, orient="index", columns=names)


def difference(first: Stored, other: Stored) -> Interval | None:
    """Q's top-1 of the other run minus that of the first, paired; None if images or P differ."""
    a, b = first.evidence, other.evidence
    if a is None or b is None or not np.array_equal(a.labels, b.labels):
        return None
    if not np.array_equal(a.answers[0], b.answers[0]):
        return None
    hits_a, hits_b = a.answers[1] == a.labels, b.answers[1] == b.labels  # [n] each
    return paired(int((hits_a & ~hits_b).sum()), int((hits_b & ~hits_a).sum()), len(hits_a))


def _percent(share: Interval) -> str:
    return f"{share.value:.1%} [{share.low:.1%}, {share.high:.1%}]"


def _points(first: Stored, other: Stored) -> str:
    if first is other:
        return ""
    change = difference(first, other)
    if change is None:
        return "evaluated on other images"
    return f"{100 * change.value:+.1f} [{100 * change.low:+.1f}, {100 * change.high:+.1f}]"
