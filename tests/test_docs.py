"""README and docs: code blocks run, commands are commands, links lead somewhere, Sphinx builds."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import maskaq
from maskaq.cli import parser
from maskaq.config import RunSpec
from maskaq.config.grid_file import parse_grid
from maskaq.config.presets import spec_of
from tests.support import short

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)[^)]*\)")

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


def blocks(page: Path, language: str) -> list[str]:
    return [text for kind, text in BLOCK.findall(page.read_text()) if kind == language]


def commands() -> list[str]:
    lines = [line for page in PAGES for text in blocks(page, "") for line in text.splitlines()]
    inline = [
        found for page in PAGES for found in re.findall(r"`(python -m [^`]+)`", page.read_text())
    ]
    flat = [" ".join(line.split()) for line in (*lines, *inline)]
    return sorted({line for line in flat if line.startswith("python -m ")})


def small(method: str, bits: tuple[int, int] = (4, 4)) -> RunSpec:
    spec = spec_of(method, bits)
    made = replace(spec.synthesis, images=4, steps=4)
    fit = replace(spec.fit, reconstruction=short.RECONSTRUCTION)
    return replace(spec, synthesis=made, fit=fit, eval_images=100)


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, "python")], ids=lambda p: p.stem)
def test_python_blocks_run_one_after_the_other(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maskaq, "spec_of", small)  # what a page runs is the same, but shorter
    names: dict[str, object] = {}
    for text in blocks(page, "python"):
        exec(compile(text, page.name, "exec"), names)
    assert "maskaq" in names


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, "toml")], ids=lambda p: p.stem)
def test_grids_are_grids(page: Path) -> None:
    for text in blocks(page, "toml"):
        assert len(parse_grid(text)) > 1


@pytest.mark.parametrize("command", [c for c in commands() if c.startswith("python -m maskaq ")])
def test_commands_of_the_library_are_understood(command: str) -> None:
    words = shlex.split(command, comments=True)[3:]
    if "--help" not in words:
        assert parser().parse_args(words).command


@pytest.mark.parametrize(
    "module", sorted({c.split()[2] for c in commands() if c.startswith("python -m benchmarks")})
)
def test_benchmarks_that_are_named_exist(module: str) -> None:
    path = ROOT / module.replace(".", "/")
    assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file()


@every_page
def test_links_lead_to_files(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_sphinx_builds_without_a_warning(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "docs", str(tmp_path)]
    built = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    assert (tmp_path / "api.html").is_file()
