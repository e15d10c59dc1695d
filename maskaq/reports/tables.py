"""The tables of runs, as named data frames and as CSV files in one archive."""

import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import asdict

import pandas as pd

from maskaq.config.dotted import flat
from maskaq.config.overrides import command_of
from maskaq.figures.results import accuracy, compare, tensors
from maskaq.results.store import Stored

_DATE = (1980, 1, 1, 0, 0, 0)  # fixed, so that equal runs give equal archives


def settings(run: Stored) -> pd.DataFrame:
    """Columns setting (dotted name) and value: every setting of a run."""
    rows = flat(asdict(run.result.spec)).items()
    return pd.DataFrame([(name, str(value)) for name, value in rows], columns=["setting", "value"])


def facts(run: Stored) -> pd.DataFrame:
    """Columns fact and value: date, device, command, cost and library versions of a run."""
    result = run.result
    rows: list[tuple[str, str]] = [
        ("created (UTC)", result.created),
        ("device", result.device),
        ("command", command_of(result.spec)),
        ("evaluation images", f"{result.evaluated:,}"),
        ("peak memory, MB", f"{result.peak_memory_mb:,.0f}"),
    ]
    rows += [(f"seconds, {name}", f"{value:.1f}") for name, value in result.seconds.items()]
    rows += [(f"samples, {name}", f"{value:g}") for name, value in result.samples.items()]
    rows += [(f"version of {name}", number) for name, number in result.versions.items()]
    return pd.DataFrame(rows, columns=["fact", "value"])


def tables(runs: Sequence[Stored]) -> dict[str, pd.DataFrame]:
    """Data frames by file name without ending: the comparison, then a folder for each run."""
    results = [run.result for run in runs]
    frames = {"comparison": compare.frame(results), "cost": compare.cost_frame(results)}
    for number, run in enumerate(runs, 1):
        folder = f"run_{number}"
        frames |= {
            f"{folder}/settings": settings(run),
            f"{folder}/facts": facts(run),
            f"{folder}/accuracy": accuracy.frame(run.result),
            f"{folder}/curves": run.curves,
            f"{folder}/tensors": tensors.frame(run.result),
        }
    return frames


def csv_zip(runs: Sequence[Stored]) -> bytes:
    """All tables as CSV (UTF-8) and the result of each run as JSON, in one zip archive."""
    files = {f"{name}.csv": table.to_csv(index=False) for name, table in tables(runs).items()}
    for number, run in enumerate(runs, 1):
        files[f"run_{number}/result.json"] = run.result.to_json() + "\n"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            entry = zipfile.ZipInfo(name, _DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, text)
    return buffer.getvalue()


def settings_json(runs: Sequence[Stored]) -> str:
    """Every setting of each run and the command that repeats it, as an indented JSON list."""
    specs = [run.result.spec for run in runs]
    entries = [{"command": command_of(spec), "settings": asdict(spec)} for spec in specs]
    return json.dumps(entries, indent=2)
