"""Replaces the run in a worker: as many steps as asked, each as long as asked, without torch.

The spec decides: `steps` and `lr` (seconds per step) of the synthesis, and with `model` one of the
mishaps below.
"""

import ctypes
import json
import os
import signal
import tempfile
import time
from collections.abc import Generator
from dataclasses import asdict
from pathlib import Path

import numpy as np

from maskaq.config import RunSpec, SynthesisOptions
from maskaq.errors import DataError
from maskaq.events import Event
from maskaq.results import manifest


class Pixels:
    """The part of a tensor that messages need."""

    def numpy(self) -> np.ndarray:
        ramp = np.arange(64, dtype=np.uint8)
        return np.broadcast_to(ramp, (4, 3, 64, 64)).copy()


def spec(steps: int = 3, seconds: float = 0.01, model: str = "fine", seed: int = 0) -> RunSpec:
    return RunSpec(model, seed=seed, synthesis=SynthesisOptions(steps=steps, lr=seconds))


def run(
    spec: RunSpec, batches: object = (), parcels: object = ()
) -> Generator[Event | dict[str, bytes], None, None]:
    total = spec.synthesis.steps
    if spec.data:
        with Path(spec.data).open("a") as log:
            log.write(f"begun {os.getpid()}\n")
    if spec.model == "deaf":  # like loading a large library, it blocks all threads
        ctypes.PyDLL(None).sleep(5)
    yield Event("load", 1, 1)
    try:
        for step in range(1, total + 1):
            time.sleep(spec.synthesis.lr)
            problem = "image 1 turned NaN" if step == 2 else ""
            images = Pixels() if step in (1, total) else None
            yield Event("synthesis", step, total, {"loss": 1 / step}, images, problem)
            _mishap(spec, step)
        yield _files(spec)
    finally:
        if spec.data:
            with Path(spec.data).open("a") as log:
                log.write("closed\n")


def _files(spec: RunSpec) -> dict[str, bytes]:
    """The files of a run folder with a spec and nothing else."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        result = {"tensors": [], "spec": asdict(spec)}
        (folder / "result.json").write_text(json.dumps(result))
        (folder / "seed.txt").write_text(str(spec.seed))
        manifest.seal(folder)
        return {path.name: path.read_bytes() for path in folder.iterdir()}


def _mishap(spec: RunSpec, step: int) -> None:
    if spec.model == "refused":
        raise DataError("the folder is empty; give another.")
    if spec.model == "broken":
        raise KeyError("surprise")
    if spec.model == "killed" and step == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    if spec.model == "killed once" and step == 2 and Path(spec.data).read_text().count("begun") < 2:
        os.kill(os.getpid(), signal.SIGKILL)
