"""One page about runs: what they are, how good, how sure, how small, and what not to claim.

The app, the HTML report and its print show the same page. Texts are Markdown with bold only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from maskaq.config.components import TASKS
from maskaq.config.overrides import command_of
from maskaq.figures.results import compare
from maskaq.precomputed import deployment
from maskaq.results import size, verdicts

if TYPE_CHECKING:
    from maskaq.config import RunSpec
    from maskaq.results.store import Stored

_REAL = "real"  # the source whose images are not synthetic
_MEGA = 1e6
MOST = 4  # runs that the page lists one by one, so that it stays one page
NOT_CLAIMED = (
    "That it is faster: the arithmetic is simulated.",
    "That a file has this size: it is computed.",
    "That it holds for another model, other images or another seed.",
    "That attention explains the answer.",
)


@dataclass(frozen=True)
class Summary:
    """The parts of the page.

    notes: what was decided about models and images, or left out. repeat: one command per run; empty
    for more than `MOST` runs, whose commands are in the report's appendix and among the settings.
    """

    title: str
    what: str
    good: str
    sure: str
    small: str
    not_claimed: tuple[str, ...]
    notes: tuple[str, ...]
    repeat: tuple[str, ...]

    def parts(self) -> tuple[tuple[str, str], ...]:
        """Heading and text of the first four parts."""
        return (
            ("What", self.what),
            ("How good", self.good),
            ("How sure", self.sure),
            ("How small", self.small),
        )


def of_runs(runs: Sequence[Stored]) -> Summary:
    """The page about one run, or about several that are compared.

    Raises:
        OptionError: no runs. RunError: a run is damaged.
    """
    names = compare.short_names([run.result for run in runs])
    good = verdicts.among(runs, names)
    return Summary(
        title=title(runs),
        what=_what(runs, names),
        good=good,
        sure=_sure(runs, names),
        small=_small(runs, names),
        not_claimed=NOT_CLAIMED,
        notes=tuple(dict.fromkeys(note for run in runs for note in run.result.notes)),
        repeat=tuple(command_of(run.result.spec) for run in runs if len(runs) <= MOST),
    )


def title(runs: Sequence[Stored]) -> str:
    """What was done, in the words of a reader who knows no number format."""
    specs = [run.result.spec for run in runs]
    models = list(dict.fromkeys(spec.model for spec in specs))
    formats = list(dict.fromkeys(_in_bits(spec) for spec in specs))
    if len(specs) == 1:
        (spec,) = specs
        images = f"fitted to {spec.synthesis.images} real images"
        data = images if spec.synthesis.source == _REAL else "without its training data"
        return f"Vision Transformer {spec.model} {formats[0]}, {data}"
    where = f" {formats[0]}" if len(formats) == 1 else ""
    return f"{len(specs)} quantized versions of {verdicts.listed(models)}{where}, compared"


def _in_bits(spec: RunSpec) -> str:
    """Bit widths in words, such as `in 4 bits`."""
    weights, activations = spec.quantization.weight_bits, spec.quantization.activation_bits
    if weights == activations:
        return f"in {weights} bits"
    return f"with {weights}-bit weights and {activations}-bit activations"


def _what(runs: Sequence[Stored], names: Sequence[str]) -> str:
    spec = runs[0].result.spec
    if len(runs) > 1:
        ways = f": {verdicts.listed(names)}" if len(runs) <= MOST else ""
        return (
            f"The weights and activations of {spec.model}, a Vision Transformer, are rounded to "
            f"few bits, in {len(runs)} ways{ways}."
        )
    weights, activations = spec.quantization.weight_bits, spec.quantization.activation_bits
    bits = (
        f"{weights} bits"
        if weights == activations
        else f"{weights} bits (weights) and {activations} bits (activations)"
    )
    ends = (
        ", those of the first and the last layer to 8"
        if spec.quantization.first_last == "8"
        else ""
    )
    source, images = spec.synthesis.source, spec.synthesis.images
    origin = {
        _REAL: f"{images} real images of a split that the evaluation never sees",
        "noise": f"{images} images of random noise; no real image was used",
    }.get(source, f"{images} images that {source} made from the model; no real image was used")
    return (
        f"The weights and activations of {spec.model}, a Vision Transformer, are rounded to {bits}"
        f"{ends}. The rounding was fitted by {spec.fit.backend} to {origin}."
    )


def _sure(runs: Sequence[Stored], names: Sequence[str]) -> str:
    counts = sorted({run.result.evaluated for run in runs})
    images = " and ".join(f"{count:,}" for count in counts)
    text = (
        f"{'Both models' if len(runs) == 1 else 'All models'} answered the same {images} images, "
        "none of which was used to fit anything. The 95 % intervals cover the choice of images, "
        "not of the seed"
    )
    shares = {
        name: f"{100 * share.value:.1f} % ({100 * share.low:.1f} to {100 * share.high:.1f})"
        for name, share in zip(names, (run.result.agreeing for run in runs), strict=True)
    }
    if len(runs) == 1:
        agreement = TASKS[runs[0].result.task].agreement
        return (
            f"{text}. The quantized model answers as the full one for {shares[names[0]]} of the "
            f"{agreement}."
        )
    order = sorted(zip(names, runs, strict=True), key=lambda pair: pair[1].result.agreement)
    shown = names if len(runs) <= MOST else [order[0][0], order[-1][0]]
    pairs = (" to " if len(runs) > MOST else "; ").join(f"{name} {shares[name]}" for name in shown)
    return f"{text}. Same answer as in full precision: {pairs}."


def _small(runs: Sequence[Stored], names: Sequence[str]) -> str:
    sizes = [size.of_run(run) for run in runs]
    known = [(name, one) for name, one in zip(names, sizes, strict=True) if one is not None]
    if not known:
        return "Not computed: the shapes of the weights are not stored with the run."
    first = known[0][1]
    if len(set(sizes)) == 1:
        packed = _packed(first)
    elif len(known) <= MOST:
        packed = "; ".join(f"{name} {_packed(one)}" for name, one in known)
    else:
        order = sorted((one for _, one in known), key=lambda one: one.packed)
        packed = f"{_packed(order[0])} to {_packed(order[-1])}"
    return (
        f"Weights in full precision {first.full / _MEGA:.1f} MB, packed at their bit widths "
        f"{packed}. Their step sizes add {max(one.scales for _, one in known) / _MEGA:.2f} MB. "
        f"{_measured(runs)}"
    )


def _measured(runs: Sequence[Stored]) -> str:
    models = dict.fromkeys(run.result.spec.model for run in runs)
    files = "; ".join(filter(None, map(deployment.in_words, models)))
    return f"Computed. Measured files: {files}." if files else "Computed, not a measured file."


def _packed(one: size.Size) -> str:
    return f"{one.packed / _MEGA:.1f} MB (**{one.times:.1f} times smaller**)"
