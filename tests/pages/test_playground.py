"""The page Playground around its component: the URL, the numbers behind it, a visitor's picture."""

import pytest

from maskaq.precomputed import worlds
from maskaq.ui.playground.view import DEFAULT
from maskaq.ui.state import pages


@pytest.fixture
def opened(open_page):
    """The page with its numbers open."""

    def open_numbers(**params: str):
        app = open_page(pages.PLAYGROUND, **params)
        app.session_state["numbers"] = True
        return app.run()

    return open_numbers


def test_it_shows_the_numbers_and_their_origin(opened, text):
    app = opened()
    assert not app.exception
    world = worlds.read("photographs")
    assert world.about["weights"][:16] in text(app)
    assert f"same {world.about['n']:,} photographs" in text(app)
    table = app.dataframe[0].value
    assert len(table) == len(worlds.BITS) * len(worlds.SOURCES)
    row = table[(table["bits"] == "W4A4") & (table["images"] == "maskaq")].iloc[0]
    assert row["Q"] == pytest.approx(100 * world.about["q"]["maskaq"]["W4A4"][0], abs=0.06)
    assert [code.value.split()[2] for code in app.code] == [
        command.split()[2] for command in worlds.COMMANDS
    ]


def test_a_link_decides_the_world(opened, text):
    app = opened(view="scene2,noise,W3A3,block3,mask20,patch9")
    assert not app.exception
    assert not app.warning
    assert "`scenes_vit`" in text(app)


def test_a_bad_link_falls_back_with_a_notice(opened, text):
    app = opened(view="nothing,here")
    assert not app.exception
    assert "view = `nothing,here`" in app.warning[0].value
    assert str(DEFAULT) in app.warning[0].value
    assert "vit_tiny_patch16_224" in text(app)


def test_a_demo_shows_the_same(opened, monkeypatch, text):
    usual = text(opened())
    monkeypatch.setenv("MASKAQ_READONLY", "1")
    assert text(opened()).startswith(usual)  # then a note on own files
