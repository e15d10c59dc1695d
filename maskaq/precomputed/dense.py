"""Pictures as P and every Q segment them, or find objects in them; read without torch.

`python -m benchmarks.dense` does the runs and writes one file per task. Its metadata hold the
numbers, its arrays the pictures:

images   uint8 [n,3,S,S]
truth, p, q   segmentation: classes uint8 [n,S,S], and for q [sources,bits,n,S,S]; detection: boxes
         float32 [n,M,6] as in `results.artifacts.Evidence.shown`, and for q [sources,bits,n,M,6]
"""

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from maskaq.errors import OptionError, unknown
from maskaq.files import reading

FOLDER = Path(__file__).with_name("dense")
MODELS = {"segmentation": "scenes_vit_seg", "detection": "scenes_vit_det"}
SOURCES = ("noise", "maskaq", "real")
BITS = ("W8A8", "W6A6", "W4A8", "W4A4", "W3A3")
COMMAND = "python -m benchmarks.dense"


@dataclass(frozen=True, eq=False)
class DensePictures:
    """The pictures of a task.

    about: model, weights (SHA-256), classes, metric, titles of the pictures; p, the metric of P on
    n images with its 95 % interval, in 0..1; q, the same of Q by source and bits; agreement,
    likewise; bytes, of the weights, by bits and for `P`; backend, images, seed, device, created.
    """

    task: str
    about: dict[str, Any]
    arrays: dict[str, NDArray[Any]]


@lru_cache(maxsize=len(MODELS))
def read(task: str) -> DensePictures:
    """The pictures of a task. They are shared: do not modify them.

    Raises:
        OptionError: there are none for this task. RunError: the file is missing or damaged.
    """
    if task not in MODELS:
        raise OptionError(unknown("task", task, MODELS))
    return DensePictures(task, *contents(FOLDER / f"{task}.safetensors"))


def contents(path: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """The document and the arrays of a file in `FOLDER`.

    Raises:
        RunError: the file is missing or damaged.
    """
    with reading(path, "reinstall maskaq", SafetensorError), safe_open(path, "np") as file:
        about = json.loads(file.metadata()["about"])
        return about, {name: np.asarray(file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118
