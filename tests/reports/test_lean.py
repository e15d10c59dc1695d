"""Modules that pages import must not load large libraries, for hosts with little memory."""

from __future__ import annotations

import pkgutil
import subprocess
import sys
from pathlib import Path

import maskaq.figures
import maskaq.reports

HEAVY = ("torch", "timm", "scipy", "streamlit", "distributed", "matplotlib")


def test_figures_and_reports_load_neither_torch_nor_scipy_nor_streamlit():
    names = [
        info.name
        for package in (maskaq.figures, maskaq.reports)
        for info in pkgutil.walk_packages(package.__path__, package.__name__ + ".")
    ]
    assert len(names) > 24
    names += ["maskaq.formulas", "maskaq.precomputed.published", "maskaq.intervals"]
    names += ["maskaq.quantization.numpy_reference", "maskaq.regions.numpy_masks"]
    code = f"import sys, {', '.join(names)}; print([n for n in {HEAVY!r} if n in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.strip() == "[]"
