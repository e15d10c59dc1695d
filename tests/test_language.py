"""The text that people read is plain English: none of the phrases that readers stumbled over."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
RIDDLES = re.compile(
    r"""
      \bto\ who\b | \bwhat\ all\ that\b | \bits\ rest\ never\b | \ball\ that\ is\ no\b
    | \bstretch\ a\ stretch\b | \bjudged\ in\ passing\b | \bnobody\ can\ be\ asked\b
    | \bno\ TOML\b | \bshall\b | \bwhoever\b | \banew\b | \baloud\b | \bby\ heart\b | \bin\ vain\b
    | \bmakes?\ no\ sense\b | \bfor\ want\ of\b | \bthe\ other\ way\ round\b
    | (?<!there\ )\bis\ no\ (?:folder|file|run|name|number|interval|image|picture|spec|text|table)\b
    | \bgoes\ on\ (?:where|from|with|to)\b | \bgo\ on\ from\b | \bgoing\ on\ from\b
    | \bdraws?\ (?:\w+\ )?(?:images|samples|pictures|photographs)\b
    | \b(?:images|samples|pictures)\ (?:are\ |is\ |were\ |it\ )?(?:drawn|draws)\b
    | \bdrawn\ (?:images|samples|pictures)\b
    """,
    re.IGNORECASE | re.VERBOSE,
)
PAGES = sorted(
    {
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/*.md"),
        *ROOT.glob("maskaq/**/*.toml"),
        ROOT / "benchmarks" / "README.md",
    }
)
CODE = sorted({*ROOT.glob("maskaq/**/*.py"), *ROOT.glob("pages/*.py")})
NOTEBOOKS = sorted(ROOT.glob("notebooks/*.ipynb"))


def of_code(path: Path) -> Iterator[str]:
    """Docstrings, messages and texts of pages."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def of_notebook(path: Path) -> Iterator[str]:
    for cell in json.loads(path.read_text())["cells"]:
        if cell["cell_type"] == "markdown":
            yield "".join(cell["source"])


def texts(path: Path) -> Iterator[str]:
    if path.suffix == ".py":
        yield from of_code(path)
    elif path.suffix == ".ipynb":
        yield from of_notebook(path)
    else:
        yield path.read_text()


def riddles(path: Path) -> list[str]:
    joined = [" ".join(text.split()) for text in texts(path)]
    return [
        text[max(0, m.start() - 40) : m.end() + 30]
        for text in joined
        for m in RIDDLES.finditer(text)
    ]


@pytest.mark.parametrize("paths", [PAGES, CODE, NOTEBOOKS], ids=["documents", "code", "notebooks"])
def test_no_riddles(paths: list[Path]) -> None:
    assert paths
    found = [f"{path.relative_to(ROOT)}: ...{text}..." for path in paths for text in riddles(path)]
    assert found == []


@pytest.mark.parametrize(
    "text",
    ["The run goes on where it stopped.", "no TOML: x", "the images it draws", "begins anew"],
)
def test_a_riddle_is_noticed(text: str) -> None:
    assert RIDDLES.search(text)


@pytest.mark.parametrize("text", ["The run resumes.", "not valid TOML", "draw a chart"])
def test_plain_text_is_left_alone(text: str) -> None:
    assert not RIDDLES.search(text)
