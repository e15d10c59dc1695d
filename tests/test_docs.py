"""README and docs: code blocks run, commands parse, links and names exist, Sphinx builds."""

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import maskaq
from benchmarks import numbers
from maskaq.cli import parser
from maskaq.config import RunSpec
from maskaq.config.grid_file import parse_grid
from maskaq.config.presets import spec_of
from tests.support import short
from tests.test_architecture import floor_of

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    ROOT / "benchmarks" / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)[^)]*\)")
FILE = re.compile(r"`((?:benchmarks|docs|maskaq|notebooks|pages|tests)/[^`\s]*)`")
MODULE = re.compile(r"`(maskaq(?:\.\w+)+)`")


every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def blocks(page: Path, language: str) -> list[str]:
    return [text for kind, text in BLOCK.findall(page.read_text()) if kind == language]


def commands() -> list[str]:
    lines = [line for page in PAGES for text in blocks(page, "") for line in text.splitlines()]
    inline = [
        text for page in PAGES for text in re.findall(r"`(python\s-m\s[^`]+)`", page.read_text())
    ]
    flat = [" ".join(line.split()) for line in (*lines, *inline)]
    return sorted({line for line in flat if line.startswith("python -m ")})


def shortened(method: str, bits: tuple[int, int] = (4, 4)) -> RunSpec:
    return short.shortened(spec_of(method, bits))


@pytest.mark.parametrize(
    "page",
    [
        pytest.param(p, marks=[pytest.mark.slow] if p.stem == "tutorial" else [])
        for p in PAGES
        if blocks(p, "python")
    ],
    ids=lambda p: p.stem,
)
def test_python_blocks_of_a_page_run_in_order(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maskaq, "spec_of", shortened)  # the same run with fewer images and steps
    names: dict[str, object] = {}
    for text in blocks(page, "python"):
        exec(compile(text, page.name, "exec"), names)
    assert "maskaq" in names


@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p, "toml")], ids=lambda p: p.stem)
def test_grid_files_parse(page: Path) -> None:
    for text in blocks(page, "toml"):
        assert len(parse_grid(text)) > 1


@pytest.mark.parametrize("command", [c for c in commands() if c.startswith("python -m maskaq ")])
def test_commands_of_the_library_parse(command: str) -> None:
    words = shlex.split(command, comments=True)[3:]
    if "--help" not in words:
        assert parser().parse_args(words).command


@pytest.mark.parametrize(
    "module", sorted({c.split()[2] for c in commands() if c.startswith("python -m benchmarks")})
)
def test_named_benchmarks_exist(module: str) -> None:
    path = ROOT / module.replace(".", "/")
    assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file()


@every_page
def test_linked_files_exist(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


@every_page
def test_named_files_exist(page: Path) -> None:
    for name in FILE.findall(page.read_text()):
        if "NAME" not in name:
            assert list(ROOT.glob(name)), f"{page.name} names {name}"


@every_page
def test_named_modules_exist(page: Path) -> None:
    for name in MODULE.findall(page.read_text()):
        module = ROOT / name.replace(".", "/")
        owner, attribute = module.parent, module.name
        files = [owner.with_suffix(".py"), owner / "__init__.py"]
        exists = module.is_dir() or module.with_suffix(".py").is_file()
        assert exists or any(
            re.search(rf"\b{attribute}\b", file.read_text()) for file in files if file.is_file()
        ), f"{page.name} names {name}"


def test_the_table_of_packages_is_complete_and_in_the_order_of_imports() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    names = re.findall(r"^\| `(maskaq\.[\w.]*)` \|", text, re.MULTILINE)
    floors = [floor_of(name) for name in names]
    assert floors == sorted(floors)
    listed = {name.split(".")[1] for name in names}
    present = {path.stem for path in (ROOT / "maskaq").iterdir() if is_package(path)}
    assert listed == present


def is_package(path: Path) -> bool:
    return path.name != "__init__.py" and (path.suffix == ".py" or (path / "__init__.py").is_file())


@pytest.mark.parametrize("page", numbers.PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_measured_numbers_are_those_of_the_stored_measurement(page: Path) -> None:
    text = page.read_text()
    assert text == numbers.fill(text), "run python -m benchmarks.numbers"


def test_the_default_run_is_quoted_in_readme_and_tutorial() -> None:
    for page in (ROOT / "README.md", ROOT / "docs" / "tutorial.md"):
        assert numbers.duration() in page.read_text()


def test_hooks_and_workflow_run_the_same_checks_as_the_script() -> None:
    script = (ROOT / ".ci" / "run").read_text().splitlines()
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    assert [hook["entry"] for hook in hooks] == [
        line for line in script if line.startswith(("ruff", "mypy"))
    ]
    job = yaml.safe_load((ROOT / ".github/workflows/ci.yml").read_text())["jobs"]["checks"]
    assert job["steps"][-1]["run"] == ".ci/run"
    oldest = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    assert f">={job['strategy']['matrix']['python-version'][0]}" == oldest


@pytest.mark.slow
def test_sphinx_builds_without_a_warning(tmp_path: Path) -> None:
    words = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "docs", str(tmp_path)]
    built = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    assert (tmp_path / "api.html").is_file()
