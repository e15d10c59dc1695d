"""Results as text: a table of one run, and a comparison of several, for the command line."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from maskaq.config.dotted import flat
from maskaq.config.overrides import command_of
from maskaq.intervals import Interval, paired
from maskaq.results.artifacts import Evidence
from maskaq.results.result import RunResult, main_metrics
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
    metric = main_metrics([run.result for run in runs])
    rows[f"P {metric}"] = [_percent(run.result.top1_p) for run in runs]
    rows[f"Q {metric}"] = [_percent(run.result.top1_q) for run in runs]
    rows["Q minus first, points"] = [_points(runs[0], run) for run in runs]
    rows["evaluation images"] = [f"{run.result.evaluated:,}" for run in runs]
    rows["seconds"] = [f"{run.result.seconds['total']:.0f}" for run in runs]
    names = [str(run.folder) for run in runs]
    return pd.DataFrame.from_dict(rows, orient="index", columns=names)


def difference(first: Stored, other: Stored) -> Interval | None:
    """Q's main metric of the other run minus that of the first, paired.

    None if images, task or P differ, or if the predictions are not stored.
    """
    a, b = first.evidence, other.evidence
    if a is None or b is None or not np.array_equal(a.labels, b.labels):
        return None
    if not np.array_equal(a.answers[0], b.answers[0]) or first.result.task != other.result.task:
        return None
    return between(scored(first.result.top1_q.value, a, 1), scored(other.result.top1_q.value, b, 1))


class Scored(NamedTuple):
    """The main metric of one model, and what pairs it with that of another one.

    right: which images it answers rightly, bool [n]. draws: the metric in resamples of the images,
    [R], if it is no mean over them.
    """

    metric: float
    right: NDArray[np.bool_]
    draws: NDArray[np.float32] | None


def scored(metric: float, evidence: Evidence, model: int) -> Scored:
    """The model of a stored run: 0 is P, 1 is Q."""
    draws = None if evidence.draws is None else evidence.draws[model]
    return Scored(metric, evidence.answers[model] == evidence.labels, draws)


def between(first: Scored, other: Scored) -> Interval:
    """The metric of the other model minus that of the first, on the same images."""
    n = len(first.right)
    if first.draws is None or other.draws is None:
        return paired(
            int((first.right & ~other.right).sum()), int((other.right & ~first.right).sum()), n
        )
    change = other.metric - first.metric
    low, high = np.quantile(other.draws - first.draws, [0.025, 0.975])
    return Interval(change, min(float(low), change), max(float(high), change), n)


def _percent(share: Interval) -> str:
    return f"{share.value:.1%} [{share.low:.1%}, {share.high:.1%}]"


def _points(first: Stored, other: Stored) -> str:
    if first is other:
        return ""
    change = difference(first, other)
    if change is None:
        return "evaluated on other images"
    return f"{100 * change.value:+.1f} [{100 * change.low:+.1f}, {100 * change.high:+.1f}]"


def table(result: RunResult) -> str:
    """Accuracy of P and Q with intervals, agreement, the cost of the run, and its notes."""
    spec, fp, q = result.spec, result.fp, result.q
    synthesis, fit = spec.synthesis, spec.fit
    first_last = "8 bits" if spec.quantization.first_last == "8" else "as all other layers"
    rows = [
        f"{spec.model} {spec.quantization.name}: {synthesis.images} images from "
        f"`{synthesis.source}`, back-end `{fit.backend}`, seed {spec.seed}",
        f"first and last layers: {first_last}; integer arithmetic is simulated in float",
        "",
        f"{'':11}" + "".join(f"{f'{name} [95 %]':>26}" for name in result.metrics),
        _row("P (float32)", fp.top1, fp.top1_low, fp.top1_high)
        + _cell(fp.top5, fp.top5_low, fp.top5_high),
        _row(f"Q ({spec.quantization.name})", q.top1, q.top1_low, q.top1_high)
        + _cell(q.top5, q.top5_low, q.top5_high),
        _row("Q agrees", result.agreement, result.agreement_low, result.agreement_high)
        + f"    n = {result.evaluated} images",
        "",
        *_about(result),
        "seconds: " + ", ".join(f"{name} {value:.1f}" for name, value in result.seconds.items()),
        f"peak memory {result.peak_memory_mb:.0f} MB; {result.device}",
        ", ".join(f"{name} {number}" for name, number in result.versions.items()),
        f"repeat: {command_of(spec)}",
        *(f"note: {note}" for note in result.notes),
    ]
    return "\n".join(rows)


def _about(result: RunResult) -> list[str]:
    """What the samples are, or how features are judged."""
    if result.cosine is None:
        share, count = result.samples["recognised"], result.samples["count"]
        if result.task == "classification":
            return [f"P recognises {share:.0%} of {count:g} samples"]
        return [f"P recognises {share:.0%} of the targets of {count:g} samples"]
    cosine, low, high = result.cosine
    return [
        "an image is classified by its nearest neighbour among the others, and Q agrees where the",
        f"neighbour is the same; cosine of the features {cosine:.4f} [{low:.4f}, {high:.4f}]",
    ]


def _row(name: str, value: float, low: float, high: float) -> str:
    return f"{name:11}{_cell(value, low, high)}"


def _cell(value: float, low: float, high: float) -> str:
    return f"{f'{value:.2%} [{low:.2%}, {high:.2%}]':>26}"
