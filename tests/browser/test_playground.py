"""The playground in a real browser: touched in every way that a visitor would touch it."""

import re
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from playwright.sync_api import Page, expect

from maskaq.precomputed.worlds import FOLDER, read
from maskaq.regions.numpy_masks import mask_of
from maskaq.regions.similarity import gaussian_entropy, patch_similarity
from maskaq.ui.state import pages
from tests.browser.tools import address, overflow, settled, shoot

KOALA = FOLDER / "photographs" / "images" / "koala.webp"


def opened(visit, server: str, view: str = "", **how) -> Page:
    page = visit(address(server, pages.PLAYGROUND, f"view={view}" if view else ""), **how)
    expect(page.locator(".strip button[aria-pressed=true]")).to_have_count(1)
    return page


def drawn(page: Page) -> int:
    return int(page.locator(".playground").get_attribute("data-drawn") or 0)


def after(page: Page, action) -> None:
    """Act, and wait until the component has drawn."""
    before = drawn(page)
    action()
    expect(page.locator(".playground")).not_to_have_attribute("data-drawn", str(before))


def heads(page: Page) -> list[str]:
    return page.locator(".heads span").all_text_contents()


def point(page: Page, across: float, down: float) -> None:
    box = page.locator(".picture").bounding_box()
    assert box
    page.mouse.move(box["x"] + across * box["width"], box["y"] + down * box["height"])


def test_the_first_screen_needs_no_scrolling(app, visit):
    page = opened(visit, app)
    page.set_viewport_size({"width": 1280, "height": 800})
    for selector in ("h1", ".verdict", ".picture", ".strip", ".heads", ".ratio", ".entropy"):
        box = page.locator(selector).first.bounding_box()
        assert box, selector
        assert box["y"] + box["height"] <= 800, selector
    box = page.locator(".accuracy").bounding_box()
    assert box
    assert box["y"] + box["height"] <= 800
    shoot(page, "playground-first")


def test_pointing_at_a_patch_shows_its_attention_at_once(app, visit):
    page = opened(visit, app)
    of_cls, seen = heads(page), set()
    for place in range(1, 20, 3):
        after(page, lambda place=place: point(page, place / 20, 0.52))
        seen.add(tuple(heads(page)))
    assert len(seen) > 3
    expect(page.locator(".at-text")).to_have_text("Attention from patch row 8, column 14")
    page.mouse.move(2, 2)
    expect(page.locator(".heads span")).to_have_text(of_cls)
    point(page, 0.3, 0.3)
    page.mouse.click(*center(page, 0.3, 0.3))
    page.mouse.move(2, 2)
    expect(page.locator(".at-text")).to_have_text("Attention from patch row 5, column 5")
    page.get_by_role("button", name="CLS").click()
    expect(page.locator(".at-text")).to_have_text("Attention from the class token (CLS)")


def center(page: Page, across: float, down: float) -> tuple[float, float]:
    box = page.locator(".picture").bounding_box()
    assert box
    return box["x"] + across * box["width"], box["y"] + down * box["height"]


def test_every_control_changes_what_it_should(app, visit):
    page = opened(visit, app)
    world = read("photographs").about
    before = heads(page)
    page.locator(".block").fill("3")
    expect(page.locator(".heads span")).not_to_have_text(before)
    inside, chart = page.locator(".inside"), page.locator(".entropy")
    expect(chart.locator("polyline")).to_have_count(2)
    page.wait_for_timeout(1500)  # entropies are measured while nothing moves
    label = chart.get_attribute("aria-label") or ""
    page.locator(".ratio").fill("40")
    expect(inside).to_contain_text("holds 78 of 196 patches")
    expect(chart).not_to_have_attribute("aria-label", label)
    for bits in ("W8A8", "W3A3", "W4A4"):
        choose_bits(page, bits)
        expect(page.locator(".bits-out")).to_have_text(bits)
        for source, name in (("Noise", "noise"), ("MaskAQ", "maskaq"), ("Real", "real")):
            page.locator(".sources").get_by_role("button", name=source).click()
            share = world["q"][name][bits][0] / world["p"][0]
            expect(page.locator(".verdict")).to_contain_text(f"keeps {100 * share:.0f} % of")
            value = world["q"][name][bits][0]
            expect(page.locator(".size")).to_contain_text(f"quantized {100 * value:.0f} %")


def choose_bits(page: Page, bits: str) -> None:
    weights, activations = bits[1], bits[3]
    page.locator(".weights").get_by_role("button", name=weights, exact=True).click()
    button = page.locator(".activations").get_by_role("button", name=activations, exact=True)
    if button.get_attribute("aria-pressed") == "false":
        button.click()


def test_the_browser_computes_what_the_library_computes(app, visit):
    page = opened(visit, app, "koala,maskaq,W4A4,block3,mask25,cls")
    about, arrays = read("photographs").about, read("photographs").picture("koala")
    tokens = about["grid"][0] * about["grid"][1] + about["prefix"]
    shape = about["blocks"], about["heads"], tokens, tokens
    full = np.frombuffer(zlib.decompress(arrays["full"].tobytes()), np.uint8).reshape(shape)
    probs = torch.from_numpy((full / 255.0) ** 2)  # [L,H,T,T]
    mask = mask_of(arrays["alpha"], 0.25)  # [N]
    rows = probs[3, :, 0, 1:].numpy()  # [H,N]
    shares = (rows * mask).sum(-1) / rows.sum(-1)
    expect(page.locator(".heads span")).to_have_text(
        [f"Head {head}: {100 * share:.0f} %" for head, share in enumerate(shares)]
    )
    similarity = patch_similarity(probs[-1].mean(0)[1:, 1:])[mask][:, mask]  # [k,k]
    values = similarity[tuple(torch.triu_indices(*similarity.shape, offset=1))]
    entropy = float(gaussian_entropy(values.var(correction=0)))
    label = re.compile(rf"Inside the mask {re.escape(f'{entropy:.2f}')} in the last block")
    expect(page.locator(".entropy")).to_have_attribute("aria-label", label)


@pytest.mark.slow
def test_bits_that_are_not_stored_cannot_be_chosen(app, visit):
    page = opened(visit, app)
    choose_bits(page, "W8A8")
    for bits in ("6", "4", "3"):
        expect(
            page.locator(".activations").get_by_role("button", name=bits, exact=True)
        ).to_be_disabled()
    expect(page.locator(".bits-out")).to_have_text("W8A8")


@pytest.mark.slow
def test_another_picture_comes_with_its_answers(app, visit):
    page = opened(visit, app)
    expect(page.locator(".firsts")).to_contain_text("Noise ✗ drilling platform")
    page.get_by_role("button", name="Koala", exact=True).click()
    expect(page.locator(".answers-p li").first).to_contain_text("koala")
    page.get_by_role("button", name="Scene: Trouser").click()
    expect(page.locator(".heads figure")).to_have_count(6)
    expect(page.locator(".size")).to_contain_text("scenes")
    expect(page).to_have_url(re.compile("view=scene1,"))


@pytest.mark.slow
def test_a_link_opens_the_same_view(app, visit):
    page = opened(visit, app)
    after(page, lambda: page.locator(".block").fill("4"))
    after(page, lambda: page.locator(".ratio").fill("25"))
    choose_bits(page, "W3A3")
    page.mouse.click(*center(page, 0.52, 0.52))
    expect(page).to_have_url(re.compile("W3A3,block4,mask25,patch105"))
    again = opened(visit, app, page.url.split("view=")[1])
    expect(again.locator(".block-out")).to_have_text("4 (0 to 11)")
    expect(again.locator(".ratio-out")).to_have_text("25 %")
    expect(again.locator(".bits-out")).to_have_text("W3A3")
    expect(again.locator(".at-text")).to_have_text("Attention from patch row 8, column 8")


@pytest.mark.slow
def test_the_keyboard_alone_is_enough(app, visit):
    page = opened(visit, app)
    page.locator(".picture").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".spoken")).to_contain_text("head 0")
    first = page.locator(".at-text").text_content()
    page.keyboard.press("ArrowDown")
    expect(page.locator(".at-text")).not_to_have_text(first or "")
    page.keyboard.press("Escape")
    expect(page.locator(".at-text")).to_have_text("Attention from the class token (CLS)")
    seen = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        seen.add(
            page.locator(".playground").evaluate(
                "(root) => root.getRootNode().activeElement?.className ?? ''"
            )
        )
    assert {"cls", "choose", "camera", "block", "ratio", "break"} <= seen | {"cls"}
    page.locator(".weights button").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator(".bits-out")).to_have_text("W8A8")


@pytest.mark.slow
def test_break_it_walks_the_bits_down(app, visit):
    page = opened(visit, app)
    page.locator(".break").click()
    expect(page.locator(".bits-out")).to_have_text("W8A8")
    expect(page.locator(".break")).to_have_text("Stop")
    expect(page.locator(".bits-out")).to_have_text("W2A4")
    expect(page.locator(".verdict")).to_contain_text("the images matter most here")
    expect(page.locator(".break")).to_have_text("Break it")
    led = {bits: row[0] for bits, row in read("photographs").about["difference"].items()}
    expect(page.locator(".bits-out")).to_have_text(max(led, key=lambda bits: led[bits]))


@pytest.mark.slow
def test_the_synthetic_images_form(app, visit):
    page = opened(visit, app)
    steps = read("photographs").about["steps"]
    expect(page.locator(".film-images button")).to_have_count(6)
    page.locator(".scrub").fill("0")
    expect(page.locator(".step-out")).to_have_text(f"step {steps[0]} of {steps[-1]}")
    page.locator(".play").click()
    expect(page.locator(".play")).to_have_text("Pause")
    expect(page.locator(".step-out")).to_have_text(f"step {steps[-1]} of {steps[-1]}")
    expect(page.locator(".play")).to_have_text("Play")
    page.locator(".film-images button").first.click()
    expect(page.locator(".picture")).to_have_attribute("aria-label", re.compile("^Made for"))


@pytest.mark.slow
def test_an_own_picture_is_answered_by_p_and_q(app, visit):
    page = opened(visit, app, "scene0,maskaq,W4A4,block2,mask30,cls")
    choose_bits(page, "W3A3")
    page.locator(".block").fill("3")
    page.locator(".file").set_input_files(KOALA)
    expect(page.locator(".status")).to_contain_text("koala.webp")
    expect(page.locator(".status")).to_contain_text("Computed just now")
    expect(page.locator(".bits-out")).to_have_text("W3A3")
    expect(page.locator(".block-out")).to_have_text("3 (0 to 5)")
    expect(page.locator(".answers-p li")).to_have_count(5)
    expect(page.locator(".answers-q li")).to_have_count(5)
    expect(page.locator(".entropy polyline")).to_have_count(2)
    choose_bits(page, "W2A4")
    expect(page.locator(".answers-q li")).to_have_count(5)
    page.locator(".sources").get_by_role("button", name="Noise").click()
    expect(page.locator(".answers-q")).to_contain_text("only for images of MaskAQ")


@pytest.mark.slow
def test_a_dropped_file_that_is_no_picture_is_refused(app, visit, tmp_path):
    page = opened(visit, app)
    (tmp_path / "notes.txt").write_text("no picture")
    page.locator(".file").set_input_files(tmp_path / "notes.txt")
    expect(page.locator(".status")).to_contain_text("allowed: PNG, JPEG or WebP")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG broken")
    page.locator(".file").set_input_files(tmp_path / "broken.png")
    expect(page.locator(".status")).to_contain_text("cannot be read as a picture")


@pytest.mark.slow
def test_dropping_a_file_works_as_choosing_it(app, visit):
    page = opened(visit, app, "scene0,maskaq,W4A4,block2,mask30,cls")
    page.locator(".playground").evaluate(
        """(root, bytes) => {
          const file = new File([new Uint8Array(bytes)], "dropped.webp", { type: "image/webp" });
          const transfer = new DataTransfer();
          transfer.items.add(file);
          root.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true }));
        }""",
        list(KOALA.read_bytes()),
    )
    expect(page.locator(".status")).to_contain_text("dropped.webp")
    expect(page.locator(".answers-p li")).to_have_count(5)


@pytest.mark.slow
def test_without_a_network_the_refusal_names_the_way_out(app, visit):
    page = opened(visit, app)
    page.locator(".file").set_input_files(KOALA)
    expect(page.locator(".status")).to_contain_text("koala.webp")
    main = page.get_by_test_id("stMain")
    expect(main).to_contain_text("path of a weights file under Your own in the sidebar")
    expect(main).to_contain_text("the model of the scenes ships with maskaq")


@pytest.mark.slow
def test_a_demo_accepts_no_picture(demo, visit):
    page = opened(visit, demo)
    for selector in (".choose", ".camera"):
        expect(page.locator(selector)).to_be_disabled()
    after(page, lambda: page.locator(".ratio").fill("40"))


@pytest.mark.slow
def test_the_three_buttons_lead_on(app, visit):
    for name, spec in (("Teach me", pages.LEARN), ("Show the evidence", pages.COMPARE)):
        page = opened(visit, app)
        page.get_by_role("button", name=name).click()
        expect(page).to_have_url(re.compile(f"/{Path(spec.file).stem}$"))
        settled(page)


@pytest.mark.slow
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 768])
def test_narrow_windows_show_everything(app, visit, theme, width):
    page = opened(visit, app, theme=theme, width=width)
    assert overflow(page) <= 0
    for selector in (".picture", ".heads", ".accuracy", ".film-images"):
        box = page.locator(selector).bounding_box()
        assert box
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
    shoot(page, f"playground-{theme}-{width}")


@pytest.mark.slow
def test_touch_points_at_patches(app, browser):
    context = browser.new_context(viewport={"width": 390, "height": 800}, has_touch=True)
    page = context.new_page()
    page.goto(address(app, pages.PLAYGROUND))
    expect(page.locator(".strip button[aria-pressed=true]")).to_have_count(1)
    page.locator(".picture").scroll_into_view_if_needed()
    page.touchscreen.tap(*center(page, 0.25, 0.75))
    expect(page.locator(".at-text")).to_have_text("Attention from patch row 11, column 4")
    context.close()
