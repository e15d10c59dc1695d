"""What exported files cost and how often they are right, measured; read without torch.

`python -m benchmarks.deployment` writes the file. It holds P, exported files of Q, and, for
comparison, runs whose arithmetic is only simulated: at fewer bits, and with the default scheme.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from maskaq.files import reading

FILE = Path(__file__).parent / "data" / "deployment.json"
COMMAND = "python -m benchmarks.deployment"
# Kinds. The last one is simulated too, with grids that no integer kernel computes.
P, FILE_OF_Q, SIMULATED, DEFAULT = "P", "file", "simulated", "default scheme"


@dataclass(frozen=True)
class Timing:
    """Milliseconds per image: median over rounds, with the quartiles."""

    batch: int
    threads: int
    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Deployed:
    """One model: P, a file of Q, or a simulated Q.

    kind: `P`, `file`, `simulated` or `default scheme`. bits: such as `W8A8`. top1: share of n
    images with its 95 % interval (Wilson), of the file itself where there is one. size: bytes of
    the file; for a simulated Q the bytes that its packed codes would take. memory: peak in MB of a
    process that classifies one image. command: of the run. multiply_adds: of one image, by the bits
    of weight and activation. difference: of the file's top-1 from Q's on the same images, with its
    interval. agreement: share of them with the same answer; floor: the same for Q and Q under 1e-4
    of input noise.
    """

    model: str
    kind: str
    bits: str
    top1: float
    low: float
    high: float
    n: int
    size: int
    command: str
    memory: float | None = None
    timings: tuple[Timing, ...] = ()
    multiply_adds: Mapping[str, int] = field(default_factory=dict)
    difference: tuple[float, float, float] | None = None
    agreement: float | None = None
    floor: float | None = None

    def milliseconds(self, batch: int, threads: int) -> Timing | None:
        """The time at a batch size and number of threads; None if it was not measured."""
        return next((t for t in self.timings if (t.batch, t.threads) == (batch, threads)), None)


@dataclass(frozen=True)
class Deployment:
    """All measurements of one model, and the machine that they were made on.

    weights_sha256: of the weights file, if it does not ship with the library.
    """

    model: str
    rows: tuple[Deployed, ...]
    machine: Mapping[str, str]
    created: str
    weights_sha256: str = ""

    @property
    def p(self) -> Deployed:
        """The full-precision model."""
        return next(row for row in self.rows if row.kind == P)

    @property
    def threads(self) -> tuple[int, ...]:
        """Numbers of threads that were measured."""
        return tuple(dict.fromkeys(timing.threads for timing in self.p.timings))


def read(path: Path = FILE) -> dict[str, Deployment]:
    """Stored measurements by model; empty without a file.

    Raises:
        RunError: the file is damaged.
    """
    if not path.is_file():
        return {}
    with reading(path, f"run `{COMMAND}` again"):
        found = [_deployment(values) for values in json.loads(path.read_text())]
    return {one.model: one for one in found}


def _deployment(values: Mapping[str, Any]) -> Deployment:
    rows = []
    for row in values["rows"]:
        timings = tuple(Timing(**timing) for timing in row["timings"])
        difference = row["difference"] and tuple(row["difference"])
        rows.append(Deployed(**{**row, "timings": timings, "difference": difference}))
    return Deployment(**{**values, "rows": tuple(rows)})


def in_words(model: str, path: Path | None = None) -> str:
    """What measured files of a model save for one image with all threads; "" without any.

    Such as `W7A8 3.7 times smaller, 1.26 times as fast; W4A8 6.4, 0.88 (Deploy)`. Files that are
    neither smaller nor faster than another one are left out.

    Raises:
        RunError: see `read`.
    """
    found = read(path or FILE).get(model)
    if found is None:
        return ""
    threads = max(found.threads)
    full = found.p.milliseconds(1, threads)
    timed = [(row, row.milliseconds(1, threads)) for row in found.rows if row.kind == FILE_OF_Q]
    files = [(row, timing.median) for row, timing in timed if timing is not None]
    if full is None or not files:
        return ""
    parts: list[str] = []
    for row, ms in files:
        if any(one.size < row.size and other < ms for one, other in files):
            continue
        smaller, faster = f"{found.p.size / row.size:.1f}", f"{full.median / ms:.2f}"
        if not parts:
            smaller, faster = f"{smaller} times smaller", f"{faster} times as fast"
        parts.append(f"{row.bits} {smaller}, {faster}")
    return f"{'; '.join(parts)} (Deploy)"


def sentence(models: Iterable[str]) -> str:
    """`in_words` of several models as a sentence; "" if no file of them was measured.

    Raises:
        RunError: see `read`.
    """
    files = "; ".join(filter(None, map(in_words, dict.fromkeys(models))))
    return f"Measured files with the integer scheme: {files}." if files else ""


def write(found: Iterable[Deployment], path: Path = FILE) -> None:
    """Store measurements; they replace older ones of the same model."""
    merged = read(path) | {one.model: one for one in found}
    path.write_text(json.dumps([asdict(one) for one in merged.values()], indent=1) + "\n")
