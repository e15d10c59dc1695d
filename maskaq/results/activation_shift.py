"""The activation shift of a stored run, in a separate file in its folder; read without torch.

`python -m benchmarks.diagnosis` writes it; `maskaq.evaluation.activation_shift` computes it.
"""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from maskaq.evaluation.activation_shift_table import COLUMNS
from maskaq.files import reading
from maskaq.results.result import RunResult

COMMAND = "python -m benchmarks.diagnosis"
FILE = "diagnosis.json"
_DIGITS = 5


@dataclass(frozen=True, eq=False)
class Diagnosis:
    """How the activations on a run's samples differ from those on real images.

    table: columns `COLUMNS`. samples, real: number of images. images: description of the real ones.
    of: creation time of the run; created: of this file. command: recreates this file.
    """

    table: pd.DataFrame
    samples: int
    real: int
    images: str
    of: str
    created: str
    command: str


def command_for(folder: Path) -> str:
    """The command that writes the file of one run, relative to the working directory."""
    here = Path.cwd()
    shown = folder.resolve()
    return f"{COMMAND} {shown.relative_to(here) if shown.is_relative_to(here) else folder}"


def write(diagnosis: Diagnosis, folder: Path) -> None:
    """Write the file into a run's folder; numbers are rounded to five digits."""
    columns = [[_plain(value) for value in diagnosis.table[name]] for name in COLUMNS]
    about = {name: value for name, value in vars(diagnosis).items() if name != "table"}
    rows = ",\n".join(json.dumps(row) for row in zip(*columns, strict=True))
    head = [f"{json.dumps(k)}: {json.dumps(v)}" for k, v in (about | {"columns": COLUMNS}).items()]
    parts = ",\n".join([*head, f'"rows": [\n{rows}\n]'])
    (folder / FILE).write_text(f"{{\n{parts}\n}}\n")


def read(folder: Path, result: RunResult) -> Diagnosis | None:
    """The diagnosis in a run's folder; None if there is none or it belongs to an earlier run.

    Raises:
        RunError: the file is damaged.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    with reading(path, f"recreate it with `{command_for(folder)}`"):
        values: dict[str, Any] = json.loads(path.read_text())
        table = pd.DataFrame(values.pop("rows"), columns=values.pop("columns"))
        numbers = {name: pd.to_numeric(table[name]) for name in COLUMNS[4:]}
        diagnosis = Diagnosis(table.assign(**numbers)[list(COLUMNS)], **values)
    return diagnosis if diagnosis.of == result.created else None


def _plain(value: Any) -> Any:
    if not isinstance(value, float):
        return value if isinstance(value, str) else int(value)
    return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None
