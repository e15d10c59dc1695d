"""The choices behind `tails` and `lsq-kd`: range search and learning rate.

    python -m benchmarks.sources --bits W4A4 --out runs/sources
    python -m benchmarks.ranges --runs runs/sources

Evaluated on 3 000 scenes of the calibration split, because settings must not be chosen on
evaluation images. Samples are those of the runs under --runs.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor, nn

from benchmarks.sources import run_folder
from maskaq.config import QuantOptions
from maskaq.config.parsing import parse_bits
from maskaq.config.presets import spec_of
from maskaq.data.scenes import scenes
from maskaq.evaluation.accuracy import classes
from maskaq.intervals import wilson
from maskaq.models.loading import LoadedModel, load_model
from maskaq.quantization.backends import BACKENDS, FitTask
from maskaq.quantization.backends.ranges_only import calibrated_q
from maskaq.quantization.conversion.convert import convert

VALIDATION = range(1000, 4000)  # of the calibration split; source `real` takes the first scenes
SEARCHES = [(search, gelu) for gelu in ("uniform", "adaptive-log") for search in ("mse", "l4")]
RATES = (0.0, 2e-5, 5e-5, 2e-4, 5e-4)
SOURCES = ("noise", "mimiq", "maskaq", "real")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path, default=Path("runs/sources"))
    parser.add_argument("--bits", nargs="+", default=["W4A4", "W3A3"])
    parser.add_argument("--source", nargs="+", default=SOURCES, choices=SOURCES)
    parser.add_argument("--rates", nargs="*", type=float, default=RATES)
    args = parser.parse_args()
    loaded = load_model("scenes_vit")
    batch = scenes("calibration", VALIDATION)
    inputs = loaded.normalise(batch.images)
    print(f"P {share(loaded.model, inputs, batch.labels)}, n = {len(VALIDATION)}")
    for bits in args.bits:
        options = QuantOptions(*parse_bits(bits))
        for source in args.source:
            path = run_folder(args.runs, "W4A4", source) / "samples.safetensors"
            images = load_file(path)["images"]
            for search, gelu in SEARCHES:
                q = searched(loaded, images, options, search, gelu)
                print(f"| {bits} | {source} | {search}, GELU {gelu} | - | ", end="")
                print(f"{share(q, inputs, batch.labels)} |", flush=True)
            for rate in args.rates:
                q = distilled(loaded, images, options, rate)
                print(f"| {bits} | {source} | lsq-kd | {rate:g} | ", end="")
                print(f"{share(q, inputs, batch.labels)} |", flush=True)


def searched(
    loaded: LoadedModel, images: Tensor, options: QuantOptions, search: str, gelu: str
) -> nn.Module:
    """Q with its ranges set and nothing learned."""
    scheme = replace(BACKENDS["tails"].scheme, search=search, gelu=gelu)
    return calibrated_q(loaded.model, options, scheme, loaded.normalise(images))


def distilled(loaded: LoadedModel, images: Tensor, options: QuantOptions, rate: float) -> nn.Module:
    """Q after `lsq-kd`; at rate 0 its initial state."""
    backend, fit = BACKENDS["lsq-kd"], spec_of("mimiq").fit
    q = convert(loaded.model, options, backend.scheme)
    fit = replace(fit, lr=rate) if rate else replace(fit, epochs=0)
    for _ in backend.fit(
        FitTask(loaded.model, q, images, loaded.normalise, loaded.prefix, fit, seed=0)
    ):
        pass
    return q


def share(model: nn.Module, images: Tensor, labels: Tensor) -> str:
    """Top-1 with its 95 % interval, as text."""
    top1 = wilson(int((classes(model, images) == labels).sum()), len(labels))
    return f"{top1.value:.1%} [{top1.low:.1%}, {top1.high:.1%}]"


if __name__ == "__main__":
    main()
