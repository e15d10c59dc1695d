"""Size, memory and time of exported files beside P in onnxruntime and in PyTorch.

Everything is timed by turns in one process: in each round every model runs once for each batch size
and number of threads, so that a slow moment of the machine meets all of them.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import onnxruntime
import torch
from torch import Tensor, nn

from maskaq.errors import MaskaqError
from maskaq.export import onnx_file
from maskaq.export.session import opened, read_metadata
from maskaq.export.targets import processor
from maskaq.models.loading import load_model
from maskaq.precomputed.deployment import Timing

BATCHES = (1, 16)
ROUNDS = 15
P_ONNX, P_TORCH = "P, onnxruntime", "P, PyTorch"
_LEAST = 0.02  # seconds of a measurement; short passes are repeated
Progress = Callable[[int, int], None]  # rounds done, of how many


@dataclass(frozen=True)
class Measured:
    """What one model costs.

    name: a file's, `P_ONNX` or `P_TORCH`. size: bytes of its file. memory: peak in MB of a process
    that classifies one image; None if it was not measured. multiply_adds: of one image, by the bits
    of weight and activation. checked: what the check at the export found, as stored in the file.
    """

    name: str
    size: int
    memory: float | None
    timings: tuple[Timing, ...]
    bits: str = "float32"
    multiply_adds: Mapping[str, int] | None = None
    checked: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Measurements:
    """All models of one measurement, and where it took place.

    note: why P was not measured, or "".
    """

    models: tuple[Measured, ...]
    machine: Mapping[str, str]
    rounds: int
    note: str = ""


@dataclass(frozen=True, eq=False)
class _Candidate:
    name: str
    size: int
    path: Path | None  # of its ONNX file
    run: Callable[[Tensor, int], object]  # images [B,3,H,W] and number of threads
    metadata: Mapping[str, Any]


@dataclass(frozen=True)
class _Case:
    model: _Candidate
    batch: int
    threads: int

    def seconds(self, images: Tensor, repeats: int) -> float:
        """Mean seconds of a pass of images [B,3,H,W]."""
        start = time.perf_counter()
        for _ in range(repeats):
            self.model.run(images, self.threads)
        return (time.perf_counter() - start) / repeats


def measure(
    paths: Sequence[Path],
    *,
    batches: Sequence[int] = BATCHES,
    rounds: int = ROUNDS,
    provider: str = "CPU",
    progress: Progress = lambda done, total: None,
) -> Measurements:
    """Measure exported files of one model, and P beside them.

    Args:
        provider: of onnxruntime, such as `CPU` or `CUDA`.

    Raises:
        ExportError: a file cannot be used.
        MaskaqError: the files belong to different models.
    """
    about = [read_metadata(path) for path in paths]
    runs = {(one["run"]["model"], one["run"]["weights_sha256"]) for one in about}
    if len(runs) > 1:
        names = ", ".join(sorted(name for name, _ in runs))
        raise MaskaqError(f"the files belong to different models ({names}); measure them apart.")
    size = (3, *about[0]["preprocessing"]["size"])
    threads = tuple(dict.fromkeys((1, os.cpu_count() or 1)))
    with tempfile.TemporaryDirectory() as place:
        plain, note = _p(about[0], size, Path(place) / "p.onnx", threads, provider)
        files = [
            _of_file(path, one, threads, provider) for path, one in zip(paths, about, strict=True)
        ]
        cases = [
            _Case(one, batch, count)
            for one in (*plain, *files)
            for batch in batches
            for count in threads
        ]
        times = _timed(cases, size, rounds, progress)
        models = tuple(_measured(one, times) for one in (*plain, *files))
    versions = {"onnxruntime": onnxruntime.__version__, "torch": torch.__version__}
    return Measurements(models, {**processor(), **versions}, rounds, note)


def _p(
    about: Mapping[str, Any],
    size: tuple[int, ...],
    path: Path,
    threads: Sequence[int],
    provider: str,
) -> tuple[list[_Candidate], str]:
    """P in onnxruntime and in PyTorch; or none of them, and why it cannot be loaded."""
    run = about["run"]
    try:
        p = load_model(run["model"], run["weights"] or None, global_pool=run["global_pool"]).model
    except MaskaqError as error:
        return [], f"P was not measured: {error}"
    onnx_file.write(p, size, path, {**about, "bits": "float32"})
    file = replace(_of_file(path, {}, threads, provider), name=P_ONNX)
    weights = sum(one.numel() * one.element_size() for one in p.state_dict().values())
    return [file, _Candidate(P_TORCH, weights, None, _torch_runner(p), {})], ""


def _of_file(
    path: Path, metadata: Mapping[str, Any], threads: Sequence[int], provider: str
) -> _Candidate:
    files = {count: opened(path, threads=count, provider=provider) for count in threads}

    def run(images: Tensor, count: int) -> object:
        return files[count].outputs(images)

    return _Candidate(path.name, path.stat().st_size, path, run, metadata)


def _torch_runner(model: nn.Module) -> Callable[[Tensor, int], object]:
    @torch.no_grad()
    def run(images: Tensor, count: int) -> object:
        with _torch_threads(count):
            return model(images)

    return run


@contextmanager
def _torch_threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _timed(
    cases: Sequence[_Case], size: tuple[int, ...], rounds: int, progress: Progress
) -> dict[_Case, list[float]]:
    """Seconds per image of each case, one for each round."""
    inputs = {case.batch: torch.randn(case.batch, *size) for case in cases}  # [B,3,H,W]
    repeats = {}
    for case in cases:  # the first pass prepares buffers
        case.seconds(inputs[case.batch], 1)
        repeats[case] = max(1, round(_LEAST / max(case.seconds(inputs[case.batch], 1), 1e-6)))
    times: dict[_Case, list[float]] = {case: [] for case in cases}
    for done in range(1, rounds + 1):
        for case in cases:
            times[case].append(case.seconds(inputs[case.batch], repeats[case]) / case.batch)
        progress(done, rounds)
    return times


def _measured(one: _Candidate, times: Mapping[_Case, Sequence[float]]) -> Measured:
    return Measured(
        name=one.name,
        size=one.size,
        memory=None if one.path is None else _peak_memory(one.path),
        timings=tuple(_timing(case, own) for case, own in times.items() if case.model is one),
        bits=one.metadata.get("bits", "float32"),
        multiply_adds=one.metadata.get("multiply_adds"),
        checked=one.metadata.get("checked"),
    )


def _timing(case: _Case, seconds: Sequence[float]) -> Timing:
    values = [1000 * one for one in seconds]
    quartiles = (
        statistics.quantiles(values, n=4, method="inclusive")
        if len(values) > 1
        else [values[0]] * 3
    )
    return Timing(case.batch, case.threads, statistics.median(values), quartiles[0], quartiles[2])


def _peak_memory(path: Path) -> float | None:
    words = [sys.executable, "-m", "maskaq.export.memory", str(path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return round(float(done.stdout), 1) if done.returncode == 0 else None
