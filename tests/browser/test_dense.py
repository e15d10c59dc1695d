"""Segmentation and detection on the first page, in a real browser."""

import re

import pytest
from playwright.sync_api import Page, expect

from maskaq.precomputed import dense
from maskaq.ui.state import pages
from tests.browser.tools import address, overflow, shoot

NOTHING = re.compile(r": nothing$")
TASKS = pytest.mark.parametrize("task", dense.MODELS)


def opened(visit, server: str, task: str, **how) -> Page:
    page = visit(address(server, pages.PLAYGROUND, f"task={task.capitalize()}"), **how)
    expect(page.locator(".viewer .strip button[aria-pressed=true]")).to_have_count(1)
    return page


def pixels(page: Page, who: str) -> str:
    """What a canvas shows."""
    return page.locator(f".viewer canvas.{who}").evaluate("canvas => canvas.toDataURL()")


def drawn(page: Page) -> str:
    return page.locator(".viewer").get_attribute("data-drawn") or "0"


def move(page: Page, slider: str, value: int) -> None:
    before = drawn(page)
    page.locator(f".viewer input.{slider}").fill(str(value))
    expect(page.locator(".viewer")).not_to_have_attribute("data-drawn", before)


@TASKS
def test_the_bits_move_q_and_nothing_else(app, visit, task) -> None:
    page = opened(visit, app, task)
    about = dense.read(task).about
    truth, p, q = (pixels(page, who) for who in ("truth", "p", "q"))
    value, low, high = (100 * share for share in about["q"]["maskaq"]["W4A4"])
    verdict = page.locator(".viewer .verdict")
    expect(verdict).to_contain_text(f"{value:.1f} % {about['metric']}")
    expect(verdict).to_contain_text(f"(95 % interval {low:.1f} to {high:.1f})")
    move(page, "bits", dense.BITS.index("W3A3"))
    assert pixels(page, "q") != q
    assert (pixels(page, "truth"), pixels(page, "p")) == (truth, p)
    value = 100 * about["q"]["maskaq"]["W3A3"][0]
    expect(verdict).to_contain_text("At W3A3, Q ")
    expect(verdict).to_contain_text(f"{value:.1f} % {about['metric']}")
    expect(page.locator(".viewer figcaption .bits-out")).to_have_text("W3A3")


@TASKS
def test_source_picture_and_overlay_can_be_chosen(app, visit, task) -> None:
    page = opened(visit, app, task)
    move(page, "bits", dense.BITS.index("W3A3"))
    q = pixels(page, "q")
    page.locator(".viewer .choices button", has_text="noise").click()
    expect(page.locator(".viewer .choices button[aria-pressed=true]")).to_have_text("noise")
    assert pixels(page, "q") != q
    p = pixels(page, "p")
    page.locator(".viewer .strip button").nth(4).click()
    expect(page.locator(".viewer .strip button").nth(4)).to_have_attribute("aria-pressed", "true")
    assert pixels(page, "p") != p
    shown = pixels(page, "truth")
    move(page, "amount", 0 if task == "segmentation" else 100)
    if task == "segmentation":
        assert pixels(page, "truth") != shown
    else:  # nothing is that certain, except for the truth
        assert page.locator(".viewer canvas.p").get_attribute("aria-label").endswith(": nothing")
        assert (
            not page.locator(".viewer canvas.truth").get_attribute("aria-label").endswith("nothing")
        )


@TASKS
def test_it_fits_a_phone_and_the_dark_theme(app, visit, task) -> None:
    page = opened(visit, app, task)
    page.set_viewport_size({"width": 390, "height": 844})
    assert overflow(page) <= 0
    shoot(page, f"dense-{task}-390")


def test_the_numbers_behind_the_page_are_a_table_away(app, visit) -> None:
    page = opened(visit, app, "segmentation")
    page.get_by_text("The numbers behind this page").click()
    expect(page.get_by_text("weights with SHA-256")).to_be_visible()
    expect(page.get_by_text("python -m benchmarks.dense")).to_be_visible()


def test_the_tabs_lead_from_task_to_task(app, visit) -> None:
    page = visit(address(app, pages.PLAYGROUND))
    page.get_by_test_id("stMain").get_by_text("Detection", exact=True).click()
    expect(page.locator(".viewer h1")).to_have_text("Which objects are where?")
    page.get_by_test_id("stMain").get_by_text("Classification", exact=True).click()
    expect(page.locator(".playground h1")).to_be_visible()


def painted(page: Page) -> str:
    return page.locator(".dream canvas.painting").get_attribute("aria-label") or ""


def test_a_painting_becomes_a_picture_that_the_model_segments_so(app, visit) -> None:
    page = opened(visit, app, "segmentation")
    verdict, go = page.locator(".dream .verdict"), page.locator(".dream .go")
    expect(go).to_be_disabled()
    expect(verdict).to_contain_text("of the painted pixels as painted")
    assert set(painted(page).removeprefix("Your painting: ").split(", ")) == {"Bag", "Ankle boot"}
    page.locator(".dream .clear").click()
    assert painted(page).endswith(": nothing")
    expect(verdict).to_contain_text("was made for another painting")
    page.locator(".dream .classes button", has_text="Trouser").click()
    page.locator(".dream .brush").fill("9")
    canvas = page.locator(".dream canvas.painting")
    canvas.hover(position={"x": 60, "y": 40})
    page.mouse.down()
    canvas.hover(position={"x": 60, "y": 160})
    page.mouse.up()
    assert painted(page).endswith(": Trouser")
    go.click()
    expect(verdict).to_contain_text("Dreaming: this takes some seconds")
    expect(page.locator(".dream .note")).to_contain_text("Computed just now", timeout=120_000)
    expect(go).to_be_disabled()  # the pictures are those of this painting
    expect(verdict).to_contain_text("After 60 steps, the model sees")
    expect(page.locator(".dream canvas.dreamt")).to_have_attribute(
        "aria-label", re.compile("Trouser")
    )
    assert painted(page).endswith(": Trouser")
    page.locator(".dream .stage").fill("0")
    expect(verdict).to_contain_text("After 1 step,")


def test_the_keyboard_paints_too(app, visit) -> None:
    page = opened(visit, app, "segmentation")
    page.locator(".dream .clear").click()
    page.locator(".dream .classes button", has_text="Dress").click()
    page.locator(".dream .brush").fill("9")
    page.locator(".dream canvas.painting").press("ArrowUp")
    page.locator(".dream canvas.painting").press(" ")
    assert painted(page).endswith(": Dress")
    page.reload()
    expect(page.locator(".dream .verdict")).to_contain_text("was made for another painting")
    assert painted(page).endswith(": Dress")


def test_the_address_keeps_a_dense_model(app, visit) -> None:
    page = visit(address(app, pages.LOOK_INSIDE, "look=Proof&model=scenes_vit_seg"))
    page.get_by_test_id("stMain").get_by_text("Deletion", exact=True).click()
    expect(page.get_by_text("Claim one:")).to_be_visible()
    expect(page).to_have_url(re.compile("model=scenes_vit_seg"))
