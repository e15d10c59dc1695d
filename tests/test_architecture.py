"""Imports follow the table of packages in docs/architecture.md."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "architecture.md").read_text()
PACKAGES = re.findall(r"^\| `(maskaq[\w.]*)` \|", PAGE, re.MULTILINE)
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in (ROOT / "maskaq").rglob("*.py")
}


def package_of(module: str) -> str | None:
    """The longest name in the table that contains a module; only `maskaq` itself is in `maskaq`."""
    names = [name for name in PACKAGES if module == name or module.startswith(f"{name}.")]
    longest = max(names, key=len, default="maskaq")
    return longest if longest != "maskaq" or module == "maskaq" else None


def imported(path: Path) -> Iterator[str]:
    """The modules of the library that a file imports, also inside functions and for types only."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in MODULES)
        elif isinstance(node, ast.ImportFrom) and node.module in MODULES:
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                yield name if name in MODULES else node.module


def test_every_module_is_in_the_table() -> None:
    packages = {"maskaq.quantization", "maskaq.ui"}  # packages that only hold other packages
    assert [name for name in MODULES if package_of(name) is None and name not in packages] == []


def test_every_package_of_the_table_exists() -> None:
    assert [name for name in PACKAGES if name not in MODULES] == []


def test_imports_never_point_to_a_package_further_down() -> None:
    wrong = []
    for module, path in MODULES.items():
        own = package_of(module)
        for name in imported(path):
            other = package_of(name)
            if own and other and PACKAGES.index(other) > PACKAGES.index(own):
                wrong.append(f"{module} imports {name}")
    assert wrong == []
