"""Heavy libraries are loaded when they are used, and not before.

One process imports or runs everything that has to stay light, from the lightest to the heaviest,
and notes after each line which libraries it has loaded.
"""

import json
import pkgutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import maskaq.figures
import maskaq.reports

ROOT = Path(__file__).parents[1]
SECONDS = 0.3  # of processor time, for one import
TRAINING = ("torch", "timm", "scipy", "matplotlib")
SERVING = ("streamlit", "dask", "distributed")
TABLES = ("plotly", "pandas")
EXAMPLE = "min(Path('maskaq/precomputed/examples').iterdir())"


def imports(*modules: str) -> list[str]:
    return [f"import {module}" for module in modules]


def modules_of(package: str, path: list[str]) -> list[str]:
    return [info.name for info in pkgutil.walk_packages(path, f"{package}.")]


# Line -> libraries that it may not load. Later lines may load more.
LINES: dict[str, tuple[str, ...]] = dict.fromkeys(
    [
        *imports(
            "maskaq",
            "maskaq.errors",
            "maskaq.registry",
            "maskaq.events",
            "maskaq.config.options",
            "maskaq.config.parsing",
            "maskaq.config.ablation",
            "maskaq.config.components",
            "maskaq.data",
            "maskaq.models",
            "maskaq.intervals",
            "maskaq.formulas",
        ),
        "from maskaq.models import menu; menu.shapes(); menu.descriptions()",
        "from maskaq.cli import main; main(['models']); main(['methods'])",
    ],
    (*TRAINING, *SERVING, *TABLES),
)
LINES |= dict.fromkeys(
    [
        *imports(
            "maskaq.precomputed.published",
            "maskaq.quantization.numpy_reference",
            "maskaq.regions.numpy_masks",
        ),
        *imports(*modules_of("maskaq.figures", maskaq.figures.__path__)),
        *imports(*modules_of("maskaq.reports", maskaq.reports.__path__)),
        "from maskaq.precomputed import showcase as s; s.scene(0); s.attention(0); s.overlap()",
        "s.cls_rows(0, 'W4A4'); s.similarity('noise', 0); s.bits(); s.inside_outside()",
        "from maskaq.precomputed import accuracy_table as t; t.read(t.FILE)",
        "import maskaq.results.activation_shift",
        f"from maskaq.results import store; run = store.read({EXAMPLE}); run.samples['images']",
        "from maskaq.results import artifacts; assert run.evidence and artifacts.film(run.folder)",
        *imports(
            "maskaq.jobs.service",
            "maskaq.jobs.sweep",
            "maskaq.jobs.worker",
            "maskaq.queries.table",
        ),
    ],
    (*TRAINING, *SERVING),
)
LINES |= dict.fromkeys(
    imports("maskaq.runs.runner", "maskaq.queries.attention", "maskaq.queries.accuracy"),
    ("streamlit",),
)
CODE = """
import contextlib, json, os, sys, time
from pathlib import Path
libraries, loaded, report = json.loads(sys.argv[1]), set(), []
for line in sys.argv[2:]:
    began = time.process_time()
    with contextlib.redirect_stdout(open(os.devnull, "w")):
        exec(line)
    seconds = time.process_time() - began
    new = [name for name in libraries if name in sys.modules and name not in loaded]
    loaded.update(new)
    report.append((new, seconds))
print(json.dumps(report))
"""


@cache
def report() -> subprocess.CompletedProcess[str]:
    """For each line, the libraries that it was the first to load, and its seconds."""
    libraries = json.dumps([*TRAINING, *SERVING, *TABLES])
    return subprocess.run(
        [sys.executable, "-c", CODE, libraries, *LINES],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize("line", LINES)
def test_a_line_loads_no_heavy_library(line: str) -> None:
    done = report()
    assert done.returncode == 0, done.stderr[-2000:]
    loaded, seconds = dict(zip(LINES, json.loads(done.stdout), strict=True))[line]
    assert not set(loaded) & set(LINES[line])
    if "pandas" in LINES[line]:
        assert seconds < SECONDS
