from __future__ import annotations

from pathlib import Path

from streamlit.string_util import validate_material_icon

from maskaq.ui import catalog

ROOT = Path(__file__).parents[2]


def test_eleven_pages_in_three_sections():
    assert [page.title for page in catalog.PAGES] == [
        "Start",
        "Lessons",
        "Quantizer sandbox",
        "Attention",
        "Similarity",
        "Claims",
        "Synthesis",
        "Quantize",
        "Ablation",
        "Compare",
        "Report",
    ]
    sections = list(dict.fromkeys(page.section for page in catalog.PAGES))
    assert sections == ["Understand", "Try it", "Judge"]


def test_every_page_is_a_file_and_every_file_a_page():
    listed = {page.file for page in catalog.PAGES}
    assert listed == {f"pages/{path.name}" for path in (ROOT / "pages").glob("*.py")}
    assert len(listed) == len(catalog.PAGES)


def test_icons_exist():
    for page in catalog.PAGES:
        assert validate_material_icon(page.icon)


def test_every_page_enters_through_the_router_first():
    for page in catalog.PAGES:
        lines = (ROOT / page.file).read_text().splitlines()
        first = ("choice", "router", "st.", "with", "for", "if")
        calls = [line for line in lines if line.startswith(first)]
        assert calls[0].removeprefix("choice = ") == "router.enter()"
