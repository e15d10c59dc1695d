"""How far the activations of stored runs' samples are from those of real images.

    python -m benchmarks.diagnosis
    python -m benchmarks.diagnosis runs/result

Writes `diagnosis.json` into the folder of each run, for the page Compare; without folders, into the
runs that ship with the library. Real images are those of the calibration split, which is never used
for evaluation: the first 256 scenes, or for photographs those that the run's --holdout sets aside.
"""

import argparse
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

import torch

from maskaq.config import RunSpec
from maskaq.errors import MaskaqError, RunError
from maskaq.evaluation.activation_shift import Statistics, distances, statistics
from maskaq.evaluation.activation_shift_table import factors
from maskaq.models.loading import LoadedModel, load_model
from maskaq.results import activation_shift, manifest, store
from maskaq.results.activation_shift import COMMAND, Diagnosis, command_for
from maskaq.results.store import Stored
from maskaq.runs.context import load_data
from maskaq.ui.state.stored_runs import EXAMPLES

REAL = 256  # images


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="*", type=Path, help="folders of runs; default: shipped ones")
    args = parser.parse_args()
    folders = args.runs or sorted(path.parent for path in EXAMPLES.glob(f"*/{manifest.NAME}"))
    print("| run | samples | real | range | peak | kurtosis | entropy |\n" + "|---" * 7 + "|")
    for folder in folders:
        try:
            diagnosis = diagnose_run(store.read(folder))
        except MaskaqError as error:
            raise SystemExit(f"error: {error}") from error
        activation_shift.write(diagnosis, folder)
        manifest.seal(folder)
        cells = [f"x{factor:.2f}" for factor in factors(diagnosis.table).values()]
        counts = f"{diagnosis.samples} | {diagnosis.real}"
        print(f"| {folder.name} | {counts} | {' | '.join(cells)} |")


def diagnose_run(run: Stored) -> Diagnosis:
    """Compare a run's samples with real images.

    Raises:
        RunError: the run was stored without its samples or without held-out real images.
    """
    if not run.samples:
        raise RunError(f"{run.folder} was stored without its samples; repeat the run.")
    spec = run.result.spec
    loaded = model(spec.model, spec.weights)
    real, count = real_statistics(real_images(spec))
    synthetic = loaded.normalise(torch.from_numpy(run.samples["images"]))
    return Diagnosis(
        distances(statistics(loaded.model, synthetic), real),
        samples=len(synthetic),
        real=count,
        images="held-out photographs" if spec.data else "first scenes of the calibration split",
        of=run.result.created,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        command=COMMAND if run.folder.parent == EXAMPLES else command_for(run.folder),
    )


def real_images(spec: RunSpec) -> RunSpec:
    """The settings that decide which real images are held out; runs on the same set share them."""
    if not spec.data:
        return RunSpec(model=spec.model, weights=spec.weights, eval_images=1)
    kept = {name: getattr(spec, name) for name in ("model", "weights", "data", "holdout", "seed")}
    return replace(RunSpec(**kept, eval_images=spec.eval_images), synthesis=spec.synthesis)


@lru_cache(maxsize=1)
def model(name: str, weights: str) -> LoadedModel:
    """P."""
    return load_model(name, weights or None)


@lru_cache(maxsize=1)
def real_statistics(spec: RunSpec) -> tuple[Statistics, int]:
    """Statistics of the held-out real images of a spec, and their number."""
    loaded = model(spec.model, spec.weights)
    images, _ = load_data(spec, loaded).calibration(REAL)
    if not len(images):
        raise RunError(
            "this run has no held-out real images to compare with; repeat it with --holdout 32."
        )
    return statistics(loaded.model, loaded.normalise(images)), len(images)


if __name__ == "__main__":
    main()
