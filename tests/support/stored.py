"""A stored run with made-up numbers, for the tests of figures and pages."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from safetensors.numpy import save_file
from torch import nn

from maskaq.config import RunSpec
from maskaq.config.presets import spec_of
from maskaq.events import Event
from maskaq.quantization.tensor_row import TensorRow
from maskaq.results import artifacts, manifest
from maskaq.results.artifacts import Evidence
from maskaq.results.result import Accuracy, Finished, RunResult
from maskaq.synthesis.loop import Samples

TENSORS = (
    TensorRow("blocks.0.weight", "weight", 4, "channel", "uniform", -1.0, 1.0, 0.001, 16.0),
    TensorRow("blocks.0.softmax", "softmax", 4, "tensor", "log-sqrt2", 0.0, 1.0, 0.0, 17.0),
    TensorRow("blocks.1.weight", "weight", 4, "channel", "uniform", -2.0, 2.0, 0.002, 19.0),
    TensorRow("blocks.1.softmax", "softmax", 4, "tensor", "log-sqrt2", 0.0, 1.0, 0.0, 20.0),
    TensorRow("pos_embed", "parameter", 32, quantized=False, why="added once"),
)
CURVES = pd.DataFrame(
    {
        "stage": ["synthesis"] * 3 + ["fit"] * 2,
        "step": [1, 2, 3, 1, 2],
        "seconds": [0.1, 0.2, 0.3, 0.4, 0.5],
        "loss": [3.0, 2.0, 1.0, 0.5, 0.25],
        "mask_ratio": [0.5, 0.3, 0.1, np.nan, np.nan],
    }
)


def result(spec: RunSpec | None = None) -> RunResult:
    """A result whose Q is 2 points below P on 500 images."""
    return RunResult(
        spec=spec or spec_of("maskaq"),
        fp=Accuracy(0.9, 0.87, 0.93, 0.99, 0.97, 1.0),
        q=Accuracy(0.88, 0.85, 0.91, 0.98, 0.96, 0.99),
        agreement=0.93,
        agreement_low=0.9,
        agreement_high=0.95,
        evaluated=500,
        seconds={"load": 1.0, "synthesis": 30.0, "fit": 4.0, "evaluation": 5.0, "total": 40.0},
        peak_memory_mb=900.0,
        device="cpu",
        versions={"torch": "2.15.0"},
        samples={"count": 32, "recognised": 0.97},
        created="2026-11-21T10:00:00+00:00",
        tensors=TENSORS,
    )


def seen() -> Evidence:
    """P and Q answer 500 images and differ on the last 35; four samples formed in two steps."""
    answers = np.zeros((2, 500), np.int32)
    answers[1, -35:] = 1
    return Evidence(
        labels=np.zeros(500, np.int32),
        answers=answers,
        apart=np.full((16, 3, 64, 64), 99, np.uint8),
        apart_index=np.arange(465, 481, dtype=np.int32),
        seen=np.array([[0, 1, 2, 3], [0, 1, 2, 2]], np.int32),
        certainty=np.full((2, 4), 0.75, np.float16),
        alpha=np.tile(np.arange(64, dtype=np.float16), (4, 1)),
        classes=[f"class {number}" for number in range(10)],
        frames=[np.full((4, 3, 64, 64), value, np.uint8) for value in (30, 200)],
        steps=[1, 3],
    )


def write(folder: Path, spec: RunSpec | None = None, notes: tuple[str, ...] = ()) -> None:
    """A stored run."""
    folder.mkdir(parents=True)
    (folder / "result.json").write_text(replace(result(spec), notes=notes).to_json())
    CURVES.to_parquet(folder / "curves.parquet")
    artifacts.write(seen(), folder)
    pictures = {"images": np.full((4, 3, 64, 64), 7, np.uint8), "labels": np.arange(4)}
    save_file(pictures, folder / "samples.safetensors")
    manifest.seal(folder)


def without(folder: Path, *names: str) -> None:
    """Make it a run that was stored without these files."""
    for name in names:
        (folder / name).unlink()
    manifest.seal(folder)


class Pace:
    """Stands in for `runner.run`: hands out one event at a time, when the test releases it."""

    def __init__(self) -> None:
        self._steps = threading.Semaphore(0)
        self.begun, self.closed = 0, False

    def release(self, steps: int) -> None:
        self._steps.release(steps)

    def run(self, spec: RunSpec) -> Iterator[Event | Finished]:
        self.begun += 1
        try:
            for step in (1, 2, 3):
                assert self._steps.acquire(timeout=30)
                images = torch.zeros(4, 3, 8, 8, dtype=torch.uint8)
                yield Event("synthesis", step, 3, {"loss": 1 / step}, images)
            assert self._steps.acquire(timeout=30)
            samples = Samples(images, torch.zeros(4), 1.0)
            yield Finished(result(spec), samples, CURVES, nn.Module(), seen())
        finally:
            self.closed = True


def save(finished: Finished, folder: Path) -> None:
    """Stands in for `store.save`, without Q's state."""
    write(folder, finished.result.spec)
