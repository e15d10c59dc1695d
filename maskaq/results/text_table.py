"""A result as a text table, for the command line."""

from __future__ import annotations

from maskaq.config.overrides import command_of
from maskaq.results.result import RunResult


def table(result: RunResult) -> str:
    """Accuracy of P and Q with intervals, agreement, and the cost of the run."""
    spec, fp, q = result.spec, result.fp, result.q
    synthesis, fit = spec.synthesis, spec.fit
    rows = [
        f"{spec.model} {spec.quantization.name}: {synthesis.images} images from "
        f"`{synthesis.source}`, back-end `{fit.backend}`, seed {spec.seed}",
        f"first and last layers: {_first_last(result)}; integer arithmetic is simulated in float",
        "",
        f"{'':11}{'top-1 [95 %]':>26}{'top-5 [95 %]':>26}",
        _row("P (float32)", fp.top1, fp.top1_low, fp.top1_high)
        + _cell(fp.top5, fp.top5_low, fp.top5_high),
        _row(f"Q ({spec.quantization.name})", q.top1, q.top1_low, q.top1_high)
        + _cell(q.top5, q.top5_low, q.top5_high),
        _row("Q agrees", result.agreement, result.agreement_low, result.agreement_high)
        + f"    n = {result.evaluated} images",
        "",
        f"P recognises {result.samples['recognised']:.0%} of {result.samples['count']:g} samples",
        "seconds: " + ", ".join(f"{name} {value:.1f}" for name, value in result.seconds.items()),
        f"peak memory {result.peak_memory_mb:.0f} MB; {result.device}",
        ", ".join(f"{name} {number}" for name, number in result.versions.items()),
        f"repeat: {command_of(spec)}",
    ]
    return "\n".join(rows)


def _first_last(result: RunResult) -> str:
    return "8 bits" if result.spec.quantization.first_last == "8" else "as all other layers"


def _row(name: str, value: float, low: float, high: float) -> str:
    return f"{name:11}{_cell(value, low, high)}"


def _cell(value: float, low: float, high: float) -> str:
    return f"{f'{value:.2%} [{low:.2%}, {high:.2%}]':>26}"
