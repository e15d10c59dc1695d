"""The sandbox in a real browser: dragged, pointed at, and compared with the library."""

import re

import pytest
from playwright.sync_api import Page, expect

from maskaq.quantization import level_list
from maskaq.quantization import numpy_reference as reference
from maskaq.ui.sandbox.tab import COUNT
from maskaq.ui.state import pages
from tests.browser.tools import address, settled

NUMBER = re.compile(r"-?\d[\d,]*\.?\d*")


def opened(visit, server: str, query: str = "", **how) -> Page:
    page = visit(address(server, pages.LEARN, f"learn=Sandbox&{query}"), **how)
    expect(page.locator(".sandbox .landed").first).to_be_visible()
    return page


def sqnr(page: Page) -> float:
    found = re.search(r"SQNR (-?[\d.]+) dB", page.locator(".sandbox .verdict").inner_text())
    assert found
    return float(found[1])


def levels_of(page: Page) -> list[float]:
    """Where the levels are, in pixels; read at once, because they are drawn again and again."""
    across: list[float] = page.locator(".sandbox .level").evaluate_all(
        "lines => lines.map(line => line.getBoundingClientRect().x)"
    )
    return across


def edge(page: Page, end: int) -> tuple[float, float]:
    box = page.locator(".sandbox .edge circle").nth(end).bounding_box()
    assert box
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


@pytest.mark.parametrize(
    "kind, bits, rule, codes",
    [("weights", 4, "minmax", True), ("outliers", 3, "mse", True), ("softmax", 4, "log2", False)],
)
def test_the_browser_computes_what_the_library_computes(kind, bits, rule, codes, app, visit):
    shape = "symmetric" if codes else "asymmetric"
    page = opened(visit, app, f"values={kind}&bits={bits}&rule={rule}&codes={shape}")
    values = reference.sample(kind, COUNT, 0)
    result = level_list.apply(values, level_list.of_grid(reference.grid(values, bits, codes, rule)))
    expect(page.locator(".verdict")).to_contain_text(f"{bits} bits, {rule}: SQNR")
    assert sqnr(page) == pytest.approx(result.sqnr_db, abs=0.06)
    clipped = int(result.clipped.sum())
    share = result.clipping_error / (result.clipping_error + result.rounding_error)
    said = page.locator(".verdict").inner_text()
    if clipped:
        assert f"{clipped} of them" in said
        assert f"makes {100 * share:.0f} % of the error" in said
    else:
        assert "Nothing is clipped" in said


def test_dragging_the_range_answers_at_once_and_is_kept(app, visit):
    page = opened(visit, app, "values=outliers")
    before, (x, y) = sqnr(page), edge(page, 1)
    page.mouse.move(x, y)
    page.mouse.down()
    heard = []
    for step in range(1, 11):
        page.mouse.move(x - 22 * step, y)
        heard.append(sqnr(page))  # in the browser, without a message to the server
    page.mouse.up()
    assert len(set(heard)) > 5
    assert max(heard) > before
    # Symmetric: the other end moves too.
    low, high = edge(page, 0)[0], edge(page, 1)[0]
    assert high < x - 150
    expect(page.locator(".verdict")).to_contain_text("your levels")
    expect(page.get_by_text("by hand").first).to_be_visible()  # the charts follow
    settled(page)
    assert edge(page, 0)[0] == pytest.approx(low, abs=1)
    page.get_by_role("button", name="Back to the rule").click()
    expect(page.locator(".verdict")).to_contain_text("minmax")
    assert sqnr(page) == before
    expect(page.get_by_text("by hand")).to_have_count(0)


@pytest.mark.slow
def test_a_level_can_be_dragged_between_its_neighbours(app, visit):
    page = opened(visit, app, "bits=2&codes=asymmetric")
    lines = page.locator(".sandbox .level")
    before = levels_of(page)
    box = lines.nth(1).bounding_box()
    page.mouse.move(box["x"], box["y"] + 5)
    page.mouse.down()
    page.mouse.move(box["x"] + 30, box["y"] + 5)
    moved = levels_of(page)
    assert moved[1] == pytest.approx(before[1] + 30, abs=2)
    assert [moved[i] for i in (0, 2, 3)] == pytest.approx([before[i] for i in (0, 2, 3)], abs=1)
    page.mouse.move(box["x"] + 2000, box["y"] + 5)
    assert levels_of(page)[1] == pytest.approx(before[2], abs=1)
    page.mouse.up()
    expect(page.get_by_text("4 levels, by hand")).to_be_visible()


@pytest.mark.slow
def test_pointing_at_a_number_says_where_it_goes(app, visit):
    page = opened(visit, app)
    box = page.locator(".plot").bounding_box()
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 120)
    spot = page.locator(".spot")
    expect(spot).to_contain_text("→ code")
    value, code, level, error = (float(one) for one in NUMBER.findall(spot.inner_text())[:4])
    values = reference.sample("weights", COUNT, 0)
    levels = level_list.of_grid(reference.grid(values, 4, True, "minmax"))
    place = list(levels.codes).index(int(code))
    assert level == pytest.approx(levels.levels[place], rel=0.01, abs=1e-9)
    assert error == pytest.approx(level - value, rel=0.05)
    expect(page.locator(".way.here")).to_have_count(1)
    page.mouse.move(2, 2)
    expect(spot).to_have_text("Point at a number to see where it goes.")


@pytest.mark.slow
def test_everything_works_with_the_keyboard(app, visit):
    page = opened(visit, app, "values=outliers")
    before, (x, _) = sqnr(page), edge(page, 1)
    handle = page.get_by_role("slider", name="upper end of the clipping range")
    handle.focus()
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    assert edge(page, 1)[0] < x - 15
    assert sqnr(page) != before
    expect(page.get_by_text("by hand").first).to_be_visible()
    expect(handle).to_be_focused()
    page.locator(".plot").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".spot")).to_contain_text("→ code")
    levels = levels_of(page)
    page.keyboard.press("Shift+ArrowRight")
    moves = [abs(one - other) for one, other in zip(levels, levels_of(page), strict=True)]
    assert sum(move > 1 for move in moves) == 1


@pytest.mark.slow
def test_numbers_of_ones_own_are_pasted(app, visit):
    page = opened(visit, app, "values=my+own")
    page.get_by_role("textbox", name="Your numbers").fill("1, 2, 3, 4, 100")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".verdict")).to_contain_text("n = 5")
    page.get_by_role("textbox", name="Your numbers").fill("1, two")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_test_id("stAlert")).to_contain_text("Number 2 is two")
    expect(page.locator(".sandbox .plot")).to_have_count(0)
