from pathlib import Path

from streamlit.string_util import validate_material_icon

from maskaq.ui.state import pages, selection

ROOT = Path(__file__).parents[3]


def test_the_titles_are_in_order():
    assert [page.title for page in pages.PAGES] == [
        "Playground",
        "Learn",
        "Look inside",
        "Make one",
        "Compare",
        "Deploy",
        "Take away",
    ]


def test_every_control_of_a_tab_is_shared():
    for page in pages.PAGES:
        for drawn in page.tabs.values():
            assert set(drawn) <= set(selection.KEYS)
        assert page.parameter not in selection.KEYS
    assert len({page.parameter for page in pages.PAGES}) == len(pages.PAGES)


def test_earlier_addresses_lead_to_tabs_that_exist():
    present = {Path(page.file).stem for page in pages.PAGES}
    for name, (page, tab) in pages.MOVED.items():
        assert name not in present
        assert tab in page.tabs


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
        first = ("choice", "router", "st.", "tab", "with", "for", "if")
        calls = [line for line in lines if line.startswith(first)]
        assert calls[0].removeprefix("choice = ") == "router.enter()"
