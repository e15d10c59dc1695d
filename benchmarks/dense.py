"""The runs behind segmentation and detection in the playground, and what it shows of them.

    python -m benchmarks.dense --examples

Every run is stored under --out and not done again, so a stopped command resumes. All have the
settings of the default method. With --examples the small files of the runs at `EXAMPLES` are also
copied into the library, where *Make one* shows them. For a table with seeds and back-ends see
`benchmarks.accuracy --model scenes_vit_seg`.
"""

import argparse
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.numpy import save_file
from torch import Tensor

from benchmarks.sources import name_of, result_of, row, ship
from benchmarks.worlds.write import bytes_of, ends
from maskaq.config import RunSpec
from maskaq.config.parsing import parse_bits
from maskaq.config.presets import spec_of
from maskaq.data.scene_sets import scene_set
from maskaq.files import atomic_write, sha256
from maskaq.models.architectures import BUNDLED
from maskaq.models.loading import LoadedModel, load_model
from maskaq.precomputed.dense import BITS, FOLDER, MODELS, SOURCES
from maskaq.quantization.storage import load_q
from maskaq.results.result import RunResult
from maskaq.runs.cache import context_of
from maskaq.tasks import TASKS
from maskaq.tasks.base import Task

EXAMPLES = ("W4A4",)  # number formats of the runs that ship; each takes a megabyte
PICTURES = range(4000, 4012)  # scenes of the calibration split, which no run uses
OUT = Path("runs/dense")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--task", nargs="+", choices=list(MODELS), default=list(MODELS))
    parser.add_argument("--examples", action="store_true")
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args()
    for task in args.task:
        results = {}
        for source in SOURCES:
            for bits in BITS:
                own = spec(task, source, bits)
                folder = args.out / name_of(own)
                results[source, bits] = result_of(own, folder, context_of(own))
                print(row(results[source, bits]), flush=True)
                if args.examples and bits in EXAMPLES:
                    ship(folder)
        write(task, results, args.out)


def spec(task: str, source: str, bits: str) -> RunSpec:
    """One run of the default method."""
    base = spec_of("maskaq", parse_bits(bits))
    return replace(base, model=MODELS[task], synthesis=replace(base.synthesis, source=source))


def write(task: str, results: Mapping[tuple[str, str], RunResult], out: Path) -> None:
    """Write the file of a task, see `maskaq.precomputed.dense`."""
    loaded = load_model(MODELS[task])
    images, truth = scene_set(task, "calibration", PICTURES)
    models = [
        load_q(out / name_of(spec(task, source, bits)) / "q.safetensors", loaded.model)
        for source in SOURCES
        for bits in BITS
    ]
    answers = shown(loaded, TASKS[task], images, truth, [loaded.model, *models])  # [2+S*B,n,..]
    arrays = {
        "images": images.numpy(),
        "truth": answers[0],
        "p": answers[1],
        "q": answers[2:].reshape(len(SOURCES), len(BITS), *answers.shape[1:]),
    }
    FOLDER.mkdir(exist_ok=True)
    save(FOLDER / f"{task}.safetensors", arrays, about_of(task, loaded, results, truth))


def save(path: Path, arrays: Mapping[str, NDArray[Any]], about: Mapping[str, Any]) -> None:
    """Write a file that `maskaq.precomputed.dense.contents` reads."""
    contiguous = {name: np.ascontiguousarray(values) for name, values in arrays.items()}
    with atomic_write(path) as draft:
        save_file(contiguous, draft, {"about": json.dumps(about)})
        draft.chmod(0o644)  # some versions of safetensors keep it from others


@torch.no_grad()
def shown(
    loaded: LoadedModel, task: Task, images: Tensor, truth: Tensor, models: list[Any]
) -> NDArray[Any]:
    """The truth, and what each model answers: [1+models,n,..]."""
    inputs = loaded.normalise(images)
    outputs = torch.stack([model(inputs) for model in models])  # [models,n,..]
    (values,) = task.shown(truth, outputs).values()
    return values.numpy()


def about_of(
    task: str,
    loaded: LoadedModel,
    results: Mapping[tuple[str, str], RunResult],
    truth: Tensor,
) -> dict[str, Any]:
    """The numbers, see `maskaq.precomputed.dense.DensePictures`."""
    newest = max(results.values(), key=lambda result: result.created)
    captions = TASKS[task].caption(truth, len(loaded.class_names)).tolist()

    def by_bits(number: Any) -> dict[str, dict[str, list[float]]]:
        return {
            source: {bits: ends(number(results[source, bits])) for bits in BITS}
            for source in SOURCES
        }

    return {
        "model": loaded.name,
        "weights": sha256(BUNDLED[loaded.name].checkpoint),
        "classes": loaded.class_names,
        "metric": newest.metrics[0],
        "titles": [f"Scene with {loaded.class_names[number]}" for number in captions],
        "p": ends(newest.top1_p),
        "q": by_bits(lambda result: result.top1_q),
        "agreement": by_bits(lambda result: result.agreeing),
        "n": newest.evaluated,
        "bytes": bytes_of(loaded, {bits: results["maskaq", bits] for bits in BITS}),
        "backend": newest.spec.fit.backend,
        "images": newest.spec.synthesis.images,
        "seed": newest.spec.seed,
        "device": newest.device,
        "created": newest.created,
    }


if __name__ == "__main__":
    main()
