"""Every setting that an address may hold, on every page, with what nobody means well."""

from __future__ import annotations

import pytest

from maskaq.ui.state import pages

HOSTILE = (
    "",
    "nan",
    "-1",
    "1e999",
    "9" * 5000,
    "\N{ARABIC-INDIC DIGIT THREE}",
    "<script>alert(1)</script>",
    "../../../../etc/passwd",
    "`](javascript:alert(1)) **x**\n# y",
    "a\x00b",
    "None",
)


def settings(app) -> dict[str, object]:
    """What the page knows of an address, with the value of each."""
    return {key: app.session_state[key] for key in sorted(app.session_state["_known_parameters"])}


@pytest.mark.parametrize("spec", pages.PAGES, ids=lambda spec: spec.title)
def test_every_setting_of_every_page_survives_hostile_values(spec, open_page):
    usual = settings(open_page(spec))
    for offset in (0, 4, 7):
        asked = {key: HOSTILE[(at + offset) % len(HOSTILE)] for at, key in enumerate(usual)}
        app = open_page(spec, **asked)
        assert not app.exception
        lists = {key for key, value in usual.items() if isinstance(value, list)}
        empty = {key for key, value in asked.items() if value == "" and key in lists}
        found = settings(app)
        assert {key: found[key] for key in usual} == {
            key: [] if key in empty else value for key, value in usual.items()
        }
        said = app.warning[0].value
        for key in usual.keys() - empty:
            assert f"The address says {key} = `" in said
        assert max(map(len, said.splitlines())) < 1000
