"""Hostile addresses: every setting of every page gets values that no visitor types."""

from itertools import product
from typing import Any

import pytest

from maskaq.ui.state import pages, url

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


@pytest.fixture
def fields(monkeypatch: pytest.MonkeyPatch) -> dict[str, url.Field]:
    """The settings that pages have declared so far, by name."""
    declared: dict[str, url.Field] = {}
    declare = url.declare

    def record(**fields: url.Field) -> None:
        declared.update(fields)
        declare(**fields)

    monkeypatch.setattr(url, "declare", record)
    return declared


def empty_list(field: url.Field, value: str) -> bool:
    """A list may be empty; every other hostile value is refused."""
    return field.many and value == ""


TABS = [(spec, tab) for spec in pages.PAGES for tab in spec.tabs]


@pytest.mark.parametrize("spec, tab", TABS, ids=lambda one: getattr(one, "title", one))
def test_every_setting_of_a_tab_refuses_hostile_values(spec, tab, open_page, fields):
    own = {} if tab == next(iter(spec.tabs)) else {spec.parameter: tab}
    app = open_page(spec, **own)
    # What the browser keeps in the URL by itself has no widget.
    usual: dict[str, Any] = {
        key: app.session_state[key] for key in fields if key in app.session_state
    }
    for field, value in product(fields.values(), HOSTILE):
        assert url._fits(field, [value]) == empty_list(field, value)

    asked = {key: HOSTILE[number % len(HOSTILE)] for number, key in enumerate(sorted(fields))}
    app = open_page(spec, colour="red", **(asked | own))
    assert not app.exception
    notice = app.warning[0].value
    for key, value in asked.items():
        if key in own:
            continue
        if empty_list(fields[key], value):
            assert app.session_state[key] == []
        else:
            if key in usual:
                assert app.session_state[key] == usual[key]
            assert f"The link sets {key} = `" in notice
    assert "unknown settings, which are ignored: `colour`." in notice
    assert max(map(len, notice.splitlines())) < 1000
