"""What one run of a method takes and gives, measured on the bundled model; read without torch.

`python -m benchmarks.default_run` writes the file. README and docs quote it through
`python -m benchmarks.numbers`, so that a measured number is written down once.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from maskaq.files import reading

FILE = Path(__file__).parent / "data" / "default_run.json"
COMMAND = "python -m benchmarks.default_run"


@dataclass(frozen=True)
class MeasuredRun:
    """One run of the command line, timed as a whole.

    command: what was run. seconds: wall-clock time of that command, imports included. stages: the
    seconds of each stage of the run, and their `total`. p, q: top-1 of P and Q on the same n
    images, in 0..1, with 95 % intervals (Wilson). agreement: share of images on which P and Q give
    the same answer. cores: of the machine. load: its load average over one minute, before the run.
    """

    command: str
    method: str
    bits: str
    seconds: float
    stages: Mapping[str, float]
    p: float
    p_low: float
    p_high: float
    q: float
    q_low: float
    q_high: float
    agreement: float
    n: int
    device: str
    cores: int
    load: float
    versions: Mapping[str, str]
    created: str


def read(path: Path = FILE) -> list[MeasuredRun]:
    """All stored measurements, one per method and number format; empty without a file.

    Raises:
        RunError: the file is damaged.
    """
    if not path.is_file():
        return []
    with reading(path, f"run `{COMMAND}` again"):
        return [MeasuredRun(**values) for values in json.loads(path.read_text())]


def measured(method: str = "maskaq", bits: str = "W4A4", path: Path = FILE) -> MeasuredRun | None:
    """The measurement of a method at a number format; None if it was not measured.

    Raises:
        RunError: see `read`.
    """
    found = (run for run in read(path) if (run.method, run.bits) == (method, bits))
    return next(found, None)


def write(runs: Iterable[MeasuredRun], path: Path = FILE) -> None:
    """Store measurements; they replace older ones of the same method and number format."""
    merged = {(run.method, run.bits): run for run in (*read(path), *runs)}
    path.write_text(json.dumps([asdict(run) for run in merged.values()], indent=1) + "\n")
