"""The result of a run as plain data, converted to and from JSON without torch."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from maskaq.config import RunSpec
from maskaq.config.components import TASKS
from maskaq.config.parsing import from_dict
from maskaq.errors import OptionError, RunError, unknown
from maskaq.intervals import Interval, wilson
from maskaq.quantization.tensor_row import TensorRow

if TYPE_CHECKING:
    import pandas as pd
    from torch import nn

    from maskaq.results.artifacts import Evidence
    from maskaq.synthesis.loop import Samples

SCHEMA = 1


def stored_spec(values: Mapping[str, Any]) -> RunSpec:
    """The spec of a stored run, from plain values.

    Raises:
        OptionError: the values are not a valid spec.
    """
    copied = json.loads(json.dumps(values))
    _upgrade(copied)
    spec: RunSpec = from_dict(copied)
    return spec


def _upgrade(spec: dict[str, Any]) -> None:
    """Add options that did not exist when a run was stored, with the values that it used."""
    fit = spec.setdefault("fit", {})
    fit.setdefault("reconstruction", {}).setdefault("tune", 0)


@dataclass(frozen=True)
class Accuracy:
    """The accuracy of one model, each number with its 95 % interval, all in 0..1.

    Classification has top-1 and top-5. In other tasks the main metric and the second one take their
    places: `RunResult.metrics` names them.
    """

    top1: float
    top1_low: float
    top1_high: float
    top5: float
    top5_low: float
    top5_high: float


@dataclass(frozen=True)
class RunResult:
    """One execution of a RunSpec.

    fp, q: P and Q on the same `evaluated` images, Q in its last state. agreement: share of these
    images for which both predict the same class, with its interval. seconds: per stage and `total`.
    peak_memory_mb: of the whole process. samples: `count` and `recognised` (share that P assigns
    to its own label). tensors: the per-tensor report. created: UTC, ISO 8601. notes: sentences
    about what was decided or left out, such as files that are not images.

    float_share: share of Q's multiply-adds that stay in float, with the reasons in `tensors`; None
    in results of earlier versions. cosine: of the features of P and Q with its interval, if P
    outputs features: then the class of an image is predicted from its nearest neighbour, and
    agreement is that of the neighbours (`maskaq.evaluation.features`).
    """

    spec: RunSpec
    fp: Accuracy
    q: Accuracy
    agreement: float
    agreement_low: float
    agreement_high: float
    evaluated: int
    seconds: Mapping[str, float]
    peak_memory_mb: float
    device: str
    versions: Mapping[str, str]
    samples: Mapping[str, float]
    created: str
    tensors: tuple[TensorRow, ...] = field(default=(), repr=False)
    schema: int = SCHEMA
    float_share: float | None = None
    cosine: tuple[float, float, float] | None = None
    notes: tuple[str, ...] = ()
    task: str = "classification"

    @property
    def metrics(self) -> tuple[str, str]:
        """Names of the main metric and of the second one, such as `top-1` and `top-5`."""
        return TASKS[self.task].metrics

    @property
    def dense(self) -> bool:
        """Whether the task has an answer for every part of an image."""
        return TASKS[self.task].dense

    @property
    def top1_p(self) -> Interval:
        """The main metric of P with its interval and the number of images."""
        return Interval(self.fp.top1, self.fp.top1_low, self.fp.top1_high, self.evaluated)

    @property
    def top1_q(self) -> Interval:
        """The main metric of Q, likewise."""
        return Interval(self.q.top1, self.q.top1_low, self.q.top1_high, self.evaluated)

    @property
    def agreeing(self) -> Interval:
        """Share of the images on which P and Q agree, likewise."""
        return Interval(self.agreement, self.agreement_low, self.agreement_high, self.evaluated)

    @property
    def recognised(self) -> Interval:
        """Share of the samples that P assigns to their own label."""
        count = int(self.samples["count"])
        return wilson(round(self.samples["recognised"] * count), count)

    def _check(self) -> None:
        """Check that numbers are possible before they are shown.

        Raises:
            OptionError: a number is out of range or missing.
        """
        shares = {**vars(self.fp), **vars(self.q), "agreement": self.agreement}
        for name, value in shares.items():
            if not 0 <= value <= 1:
                raise OptionError(f"{name} is {value}; allowed: 0 to 1.")
        if self.task not in TASKS:
            raise OptionError(unknown("task", self.task, TASKS))
        if self.evaluated < 1:
            raise OptionError(f"evaluated is {self.evaluated}; allowed: 1 or more.")
        if missing := {"count", "recognised"} - set(self.samples):
            raise OptionError(f"samples have no {', '.join(sorted(missing))}.")
        if "total" not in self.seconds:
            raise OptionError("seconds have no total.")

    def to_json(self) -> str:
        """The result as indented JSON."""
        return json.dumps(asdict(self), indent=2)

    @classmethod
    def from_json(cls, text: str) -> RunResult:
        """The inverse of `to_json`.

        Raises:
            RunError: damaged JSON, a newer schema, or invalid values.
        """
        try:
            values: dict[str, Any] = json.loads(text)
            if values["schema"] > SCHEMA:
                raise RunError(
                    f"the run has schema {values['schema']}, this maskaq reads up to {SCHEMA}: "
                    "update maskaq."
                )
            _upgrade(values["spec"])
            result: RunResult = from_dict(values, cls, "result")
            result._check()
            return result
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise RunError(
                f"the run's result cannot be read ({type(error).__name__}: {error}); "
                "repeat the run with the command in its folder, or delete the folder."
            ) from error


def main_metrics(results: Sequence[RunResult]) -> str:
    """The names of the main metrics of some runs: `top-1`, or `mIoU or AP`."""
    return " or ".join(dict.fromkeys(result.metrics[0] for result in results))


@dataclass(frozen=True, eq=False)
class Finished:
    """The outcome of a run, before it is stored.

    curves: one row per event with metrics. q: the fitted Q. evidence: predictions and images for
    figures. log: lines of text.
    """

    result: RunResult
    samples: Samples
    curves: pd.DataFrame
    q: nn.Module
    evidence: Evidence
    log: Sequence[str] = ()
