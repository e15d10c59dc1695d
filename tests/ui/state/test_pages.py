from pathlib import Path

from streamlit.string_util import validate_material_icon

from maskaq.ui.state import pages

ROOT = Path(__file__).parents[3]


def test_the_titles_and_sections_are_in_order():
    assert [page.title for page in pages.PAGES] == [
        "Playground",
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
    sections = list(dict.fromkeys(page.section for page in pages.PAGES))
    assert sections == ["Understand", "Try it", "Judge"]


def test_the_table_lists_every_file_of_the_pages_folder():
    listed = {page.file for page in pages.PAGES}
    assert listed == {f"pages/{path.name}" for path in (ROOT / "pages").glob("*.py")}
    assert len(listed) == len(pages.PAGES)


def test_icons_exist():
    for page in pages.PAGES:
        assert validate_material_icon(page.icon)


def test_every_page_calls_the_router_first():
    for page in pages.PAGES:
        lines = (ROOT / page.file).read_text().splitlines()
        first = ("choice", "router", "st.", "with", "for", "if")
        calls = [line for line in lines if line.startswith(first)]
        assert calls[0].removeprefix("choice = ") == "router.enter()"
