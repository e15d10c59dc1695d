import pytest
from streamlit.testing.v1 import AppTest

from maskaq.ui.state.url import Field, Notice, Unknown, one_of, shorten, stepped, whole


def accepts(field: Field, text: str) -> bool:
    try:
        field.parse(text)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize(
    "field, good, bad",
    [
        (whole(2, 8, 4), ["2", "8", "04"], ["1", "9", "x", "", "4.0", "-3", "1" * 5000, "٣", " 4"]),
        (
            stepped(0.05, 1.0, 0.05, 0.1),
            ["0.05", "1", "0.3", "0.15"],
            ["0", "0.07", "nan", "inf", "1.05", "a", "", "0.1_5", "\N{ARABIC-INDIC DIGIT ONE}"],
        ),
        (one_of(["mean", "0"], "mean"), ["mean", "0"], ["1", "", "Mean"]),
    ],
    ids=["whole", "stepped", "one of"],
)
def test_a_field_accepts_allowed_values_only(field, good, bad):
    assert all(accepts(field, text) for text in good)
    assert not any(accepts(field, text) for text in bad)


def test_a_notice_contains_the_value_the_allowed_values_and_the_default():
    assert str(Notice("seed", "x", "0 to 9999", 0)) == (
        "The link sets seed = `x`. Allowed: 0 to 9999. This page uses seed = 0."
    )
    assert "unknown settings, which are ignored: `a`" in str(Unknown("", "`a`", "", None))


def test_untrusted_text_is_truncated_and_escaped():
    assert shorten("a`b\nc") == "`a'b c`"
    assert len(shorten("x" * 1000)) == 85


def script() -> None:
    import streamlit as st

    from maskaq.ui.state import url

    url.begin()
    url.declare(bits=url.whole(2, 8, 4))
    bits = st.slider("Bits", 2, 8, 4, key="bits", bind="query-params")
    url.settle(bits)
    url.declare(name=url.one_of(["a", "b"], "a"))
    st.selectbox("Name", ["a", "b"], key="name", bind="query-params")
    url.finish()


def open_app(**params: str | list[str]) -> AppTest:
    app = AppTest.from_function(script)
    for name, value in params.items():
        app.query_params[name] = value
    return app.run()


def test_valid_values_are_used_without_a_notice():
    app = open_app(bits="3", name="b")
    assert (app.slider(key="bits").value, app.selectbox(key="name").value) == (3, "b")
    assert not app.warning


@pytest.mark.parametrize("value", ["99", "-1", "x", "", "3.5", ["3", "5"]])
def test_an_invalid_value_is_replaced_by_the_default_with_a_notice(value):
    app = open_app(bits=value)
    assert not app.exception
    assert app.slider(key="bits").value == 4
    (notice,) = app.warning
    assert "The link sets bits = " in notice.value
    assert "Allowed: 2 to 8. This page uses bits = 4." in notice.value


def test_invalid_values_and_unknown_names_share_one_notice():
    app = open_app(bits="99", name="z", colour="red", size="1")
    (notice,) = app.warning
    assert "bits = `99`" in notice.value
    assert "name = `z`. Allowed: a, b. This page uses name = a." in notice.value
    assert "unknown settings, which are ignored: `colour`, `size`." in notice.value


def test_many_unknown_names_are_counted():
    (notice,) = open_app(**{f"x{number}": "1" for number in range(9)}).warning
    assert "and 4 more" in notice.value


def test_a_notice_stays_until_it_is_closed():
    app = open_app(bits="99").run()
    assert app.warning
    app.button(key="_dismiss").click().run()
    assert not app.warning
    assert not app.run().warning


def test_a_notice_disappears_when_the_selection_changes():
    app = open_app(bits="99")
    app.slider(key="bits").set_value(5).run()
    assert not app.warning
    assert not app.button
    assert app.slider(key="bits").value == 5


def lists() -> None:
    import streamlit as st

    from maskaq.ui.state import url

    url.begin()
    url.settle(None)
    names = ["a", "b", "c"]
    url.declare(letters=url.some_of(names))
    st.pills(
        "Letters",
        names,
        selection_mode="multi",
        default=names,
        key="letters",
        bind="query-params",
    )
    url.finish()


@pytest.mark.parametrize(
    "values, shown, refused",
    [
        ("b", ["b"], False),
        (["a", "c"], ["a", "c"], False),
        ("", [], False),
        ("d", ["a", "b", "c"], True),
        (["a", "d"], ["a", "b", "c"], True),
        (["a", "a"], ["a", "b", "c"], True),
    ],
)
def test_a_list_is_used_or_refused_as_a_whole(values, shown, refused):
    app = AppTest.from_function(lists, default_timeout=60)
    app.query_params["letters"] = values
    app.run()
    assert app.session_state["letters"] == shown
    assert bool(app.warning) == refused
    if refused:
        assert "This page uses letters = a, b, c." in app.warning[0].value
