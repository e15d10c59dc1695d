"""Would another runtime run the files faster? onnxruntime, OpenVINO and torchao by turns.

    pip install openvino torchao
    python -m benchmarks.runtimes P.onnx W8A8.onnx

Each ONNX file (`python -m maskaq export RUN`, with `--format float` for P) runs in onnxruntime and
in OpenVINO, which reads the same file. If torchao is installed, the model of the last file runs in
PyTorch too: as P, and with torchao's int8 weights and int8 activations whose ranges are taken from
each input. Milliseconds per image, medians over rounds with quartiles, one thread unless --threads
says otherwise. A runtime that is not installed is left out, which is said.
"""

import argparse
import copy
import importlib.util
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from tqdm import tqdm

from maskaq.export.session import opened, read_metadata
from maskaq.export.targets import processor
from maskaq.models.loading import load_model

Run = Callable[[np.ndarray], object]  # images [B,3,H,W]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--batch", nargs="+", type=int, default=[1, 16])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=15)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    about = read_metadata(args.files[-1])
    size = (3, *about["preprocessing"]["size"])
    runs: dict[str, Run] = {}
    with_openvino = installed("openvino")
    for path in args.files:
        runs[f"{path.name}, onnxruntime {onnxruntime.__version__}"] = in_onnxruntime(
            path, args.threads
        )
        if with_openvino:
            runs[f"{path.name}, OpenVINO"] = in_openvino(path, args.threads)
    if installed("torchao"):
        runs |= in_torch(about["run"])
    print(f"{processor()}, {args.threads} thread(s), {args.rounds} rounds")
    for batch in args.batch:
        images = np.random.default_rng(0).standard_normal((batch, *size)).astype(np.float32)
        for name, times in timed(runs, images, args.rounds).items():
            low, median, high = statistics.quantiles(times, n=4)
            print(f"batch {batch:3}  {median:7.2f} ms ({low:.2f} to {high:.2f})  {name}")


def installed(package: str) -> bool:
    """Whether a package can be imported; says so if not."""
    found = importlib.util.find_spec(package) is not None
    if not found:
        print(f"{package} is not installed: left out")
    return found


def in_onnxruntime(path: Path, threads: int) -> Run:
    file = opened(path, threads=threads)
    return lambda images: file.outputs(torch.from_numpy(images))


def in_openvino(path: Path, threads: int) -> Run:
    import openvino

    options = {"INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
    compiled = openvino.Core().compile_model(path, "CPU", options)
    return lambda images: compiled(images)


def in_torch(run: dict[str, str]) -> dict[str, Run]:
    """P in PyTorch, and P with the integer layers of torchao."""
    from torchao.quantization import Int8DynamicActivationInt8WeightConfig, quantize_

    p = load_model(run["model"], run["weights"] or None).model.eval()
    q = copy.deepcopy(p)
    quantize_(q, Int8DynamicActivationInt8WeightConfig())

    def runner(model: torch.nn.Module) -> Run:
        @torch.no_grad()
        def go(images: np.ndarray) -> object:
            return model(torch.from_numpy(images))

        return go

    return {
        "P, PyTorch": runner(p),
        "W8A8, torchao": runner(q),
        "W8A8, torchao compiled": runner(torch.compile(q)),
    }


def timed(runs: dict[str, Run], images: np.ndarray, rounds: int) -> dict[str, list[float]]:
    """Milliseconds per image of each run, one for each round."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        for _ in range(3):  # the first passes prepare buffers and compile
            run(images)
    for _ in tqdm(range(rounds), leave=False):
        for name, run in runs.items():
            start = time.perf_counter()
            run(images)
            times[name].append(1000 * (time.perf_counter() - start) / len(images))
    return times


if __name__ == "__main__":
    main()
