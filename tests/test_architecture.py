"""The layout of the code, computed from its imports: floors, circles, sizes of folders, tests."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
# From the ground up. A module may import from its own floor, without a circle, and from below.
FLOORS = (
    ("errors", "_version"),
    ("files", "intervals", "registry", "events"),
    ("config",),
    ("checkpoints", "formulas"),
    ("data", "precomputed"),
    ("tasks",),
    ("models",),
    ("regions", "augment"),
    ("synthesis", "quantization"),
    ("evaluation",),
    ("results",),
    ("runs",),
    ("export",),
    ("queries",),
    ("jobs",),
    ("figures",),
    ("reports",),
    ("ui.state",),
    ("ui.widgets",),
    ("ui.sections", "ui.dense", "ui.playground", "ui.sandbox"),
    ("ui.shell",),
    ("commands", "pages"),
    ("cli", "app", "__main__"),
)
MOST = 15  # modules of a folder
# Folders of tests that follow no package.
OTHER_TESTS = {"benchmarks", "browser", "fuzz", "pages", "support"}


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def modules() -> dict[str, Path]:
    paths = [*ROOT.glob("maskaq/**/*.py"), *ROOT.glob("pages/*.py"), ROOT / "app.py"]
    return {module_of(path): path for path in paths}


def imported(path: Path) -> Iterator[str]:
    """Modules of the project that a file imports anywhere, also for type checks or on use."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            whole = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if name in modules() else node.module for name in whole]
        else:
            continue
        yield from (name for name in names if name in modules())


@cache
def imports() -> dict[str, set[str]]:
    return {name: set(imported(path)) - {name} for name, path in modules().items()}


def floor_of(module: str) -> int:
    name = module.removeprefix("maskaq.")
    for number, rooms in enumerate(FLOORS):
        if any(name == room or name.startswith(f"{room}.") for room in rooms):
            return number
    raise AssertionError(f"{module} is on no floor: add it to FLOORS in {__file__}")


# The package itself lists its public names, which it imports when they are used.
PUBLIC = {"maskaq", "maskaq.ui"}


def test_no_import_points_upwards() -> None:
    upwards = [
        f"{module} imports {other}"
        for module, others in imports().items()
        for other in others
        if not {module, other} & PUBLIC and floor_of(other) > floor_of(module)
    ]
    assert upwards == []


def circle() -> list[str]:
    """The modules of a circle of imports; empty without one."""
    done: set[str] = set()

    def visit(module: str, path: list[str]) -> list[str]:
        if module in path:
            return [*path[path.index(module) :], module]
        if module in done:
            return []
        for other in sorted(imports()[module]):
            # A package's __init__ is loaded before its modules, which may import it.
            if found := visit(other, [*path, module]):
                return found
        done.add(module)
        return []

    for module in imports():
        if found := visit(module, []):
            return found
    return []


def test_no_imports_form_a_circle() -> None:
    assert circle() == []


@pytest.mark.parametrize(
    "heavy, allowed",
    [
        ("streamlit", ("maskaq.ui", "pages")),
        ("plotly", ("maskaq.figures", "maskaq.reports", "maskaq.ui")),
    ],
)
def test_heavy_libraries_are_imported_in_their_place(heavy: str, allowed: tuple[str, ...]) -> None:
    for module, path in modules().items():
        names = {
            name.partition(".")[0]
            for node in ast.walk(ast.parse(path.read_text()))
            for name in (
                [alias.name for alias in node.names]
                if isinstance(node, ast.Import)
                else [node.module or ""]
                if isinstance(node, ast.ImportFrom)
                else []
            )
        }
        assert heavy not in names or module.startswith((*allowed, "app")), module


def test_no_folder_is_crowded() -> None:
    for folder in {path.parent for path in modules().values()} - {ROOT}:
        found = [path.name for path in folder.glob("*.py") if path.name != "__init__.py"]
        assert len(found) <= MOST, f"{folder.relative_to(ROOT)} has {len(found)} modules"


def test_no_module_is_long() -> None:
    for module, path in modules().items():
        lines = len(path.read_text().splitlines())
        assert lines <= 330, f"{module} has {lines} lines; split it by idea"


def test_tests_mirror_the_packages() -> None:
    """A folder of tests stands for the package of the same path."""
    for path in (ROOT / "tests").rglob("test_*.py"):
        folder = path.parent.relative_to(ROOT / "tests")
        if folder.parts and folder.parts[0] not in OTHER_TESTS:
            assert (ROOT / "maskaq" / folder / "__init__.py").is_file(), path
