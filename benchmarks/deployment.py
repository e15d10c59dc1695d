"""Measure exported files: size, accuracy and time of P, Q as files, and simulated Q.

    python -m benchmarks.deployment
    python -m benchmarks.deployment --model vit_tiny_patch16_224 --weights FILE --data FOLDER

Makes a run of the default method with the integer scheme at each of --bits, exports it for this
machine, measures all files by turns, and writes `maskaq/precomputed/data/deployment.json`. Beside
them stand simulated runs with the integer scheme (--simulated) and with the default scheme
(--default). Runs and files are kept under --out and not made again; runs that the library ships are
read from there. With --examples the runs are copied into the library with packed weights, so that
the app can make files of them.
"""

import argparse
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from tqdm import tqdm

from maskaq.config import RunSpec
from maskaq.config.overrides import command_of
from maskaq.config.parsing import Every, parse_bits
from maskaq.config.presets import spec_of
from maskaq.export.exporting import export_run
from maskaq.export.measure import P_ONNX, Measured, Measurements, measure
from maskaq.files import sha256
from maskaq.precomputed import deployment
from maskaq.precomputed.deployment import Deployed, Deployment
from maskaq.results import manifest, size, store
from maskaq.results.store import Stored
from maskaq.runs import checkpointing
from maskaq.runs.execute import execute
from maskaq.ui.state.stored_runs import EXAMPLES


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="scenes_vit")
    parser.add_argument("--weights", default="")
    parser.add_argument("--data", default="")
    parser.add_argument("--images", type=int, help="default: the method's")
    parser.add_argument("--bits", nargs="+", default=["W8A8", "W7A8", "W4A8"], help="of the files")
    parser.add_argument("--simulated", nargs="*", default=["W4A4", "W3A3"], help="of other runs")
    parser.add_argument("--default", nargs="*", default=["W8A8", "W4A4", "W3A3"])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--examples", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("runs/deployment"))
    args = parser.parse_args()
    runs = {bits: run_of(spec_from(args, bits), args.out) for bits in (*args.bits, *args.simulated)}
    files = [exported(runs[bits], args.out) for bits in args.bits]
    if args.examples:
        for bits in args.bits:
            ship(runs[bits])
    with tqdm(total=args.rounds, desc="measuring") as bar:
        found = measure(files, rounds=args.rounds, progress=lambda done, _: bar.update(1))
    rows = [row_of_p(found, runs[args.bits[0]])]
    rows += [row_of_file(one, runs[one.bits]) for one in found.models if one.checked]
    rows += [row_of_run(runs[bits], deployment.SIMULATED) for bits in args.simulated]
    for bits in args.default:
        spec = spec_from(args, bits, scheme="auto")
        run = shipped(spec) or run_of(spec, args.out)
        rows.append(row_of_run(run, deployment.DEFAULT))
    now = datetime.now(UTC).isoformat(timespec="seconds")
    sha = sha256(Path(args.weights)) if args.weights else ""
    deployment.write([Deployment(args.model, tuple(rows), found.machine, now, sha)])
    for row in rows:
        print(f"{row.kind:10} {row.bits:8} {row.size / 1e6:6.2f} MB  top-1 {row.top1:.2%}")


def spec_from(args: argparse.Namespace, bits: str, scheme: str = "integer") -> RunSpec:
    """The default method with a scheme."""
    base = spec_of("maskaq", parse_bits(bits))
    return replace(
        base,
        model=args.model,
        weights=args.weights,
        data=args.data,
        synthesis=replace(base.synthesis, images=args.images or base.synthesis.images),
        quantization=replace(base.quantization, scheme=scheme),
    )


def name_of(spec: RunSpec) -> str:
    """The folder name of a run."""
    return f"{spec.model}_{spec.quantization.name}_{spec.quantization.scheme}_{spec.seed}"


def shipped(spec: RunSpec) -> Stored | None:
    """The run of this spec among those that the library ships."""
    runs = (store.read(folder) for folder in sorted(EXAMPLES.iterdir()))
    return next((run for run in runs if run.result.spec == spec), None)


def run_of(spec: RunSpec, out: Path) -> Stored:
    """The stored run, made if it is not there."""
    folder = out / name_of(spec)
    if not (folder / manifest.NAME).is_file():
        points = checkpointing.checkpoints(spec, folder, Every(seconds=30))
        store.save(execute(spec, checkpoints=points), folder)
        points.clear()
    return store.read(folder)


def exported(run: Stored, out: Path) -> Path:
    """The file of a run, made if it is not there."""
    path = out / f"{run.folder.name}.onnx"
    if not path.is_file():
        export_run(run, path)
    return path


def ship(run: Stored) -> None:
    """Copy what the app reads of a run into the library, with packed weights."""
    target = EXAMPLES.with_name("integer") / run.folder.name
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for name in ("result.json", "curves.parquet", "samples.safetensors"):
        shutil.copy2(run.folder / name, target / name)
    export_run(run, target / "q.safetensors", format="packed")
    manifest.seal(target)


def row_of_p(found: Measurements, run: Stored) -> Deployed:
    """P in onnxruntime."""
    one = next(model for model in found.models if model.name == P_ONNX)
    top1 = run.result.top1_p
    return Deployed(run.result.spec.model, deployment.P, "float32", *top1, one.size, "",
                    one.memory, one.timings)  # fmt: skip


def row_of_file(one: Measured, run: Stored) -> Deployed:
    """A file of Q, with the answers that were checked when it was exported."""
    assert one.checked is not None
    answers = one.checked["answers"]
    return Deployed(
        run.result.spec.model,
        deployment.FILE_OF_Q,
        one.bits,
        *answers["top1"],
        one.size,
        command(run.result.spec),
        one.memory,
        one.timings,
        one.multiply_adds or {},
        tuple(answers["difference"][:3]),
        answers["agreement"][0],
        answers["floor"][0],
    )


def row_of_run(run: Stored, kind: str) -> Deployed:
    """A simulated Q."""
    bytes_of = size.of_run(run)
    assert bytes_of is not None
    spec, top1 = run.result.spec, run.result.top1_q
    total = bytes_of.packed + bytes_of.scales
    return Deployed(spec.model, kind, spec.quantization.name, *top1, total,
                    command(spec))  # fmt: skip


def command(spec: RunSpec) -> str:
    """The command of a run, with FILE and FOLDER in place of paths."""
    weights, data = spec.weights and "FILE", spec.data and "FOLDER"
    return command_of(replace(spec, weights=weights, data=data))


if __name__ == "__main__":
    main()
