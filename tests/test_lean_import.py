"""Importing the library is cheap: what is heavy is loaded when it is used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("torch", "timm", "streamlit", "plotly", "pandas", "scipy", "matplotlib")
LIGHT = (
    "maskaq",
    "maskaq.errors",
    "maskaq.registry",
    "maskaq.events",
    "maskaq.config.options",
    "maskaq.config.parsing",
    "maskaq.data",
    "maskaq.models",
)


@pytest.mark.parametrize("module", LIGHT)
def test_light_modules_load_nothing_heavy(module: str) -> None:
    code = (
        f"import sys, time; start = time.process_time(); import {module}; "
        f"took = time.process_time() - start; "
        f"print([name for name in {HEAVY!r} if name in sys.modules], took < 0.3)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.strip() == "[] True"
