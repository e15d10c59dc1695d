import pytest
from streamlit.testing.v1 import AppTest

from maskaq.ui.state import session


def script() -> None:
    import streamlit as st

    from maskaq.ui.state import session

    session.tab()
    st.text(session.owner())


def test_each_visitor_has_its_own_owner_that_stays_the_same():
    first, second = AppTest.from_function(script).run(), AppTest.from_function(script).run()
    names = [app.text[0].value for app in (first, second)]
    assert names[0] != names[1]
    assert first.run().text[0].value == names[0]
    assert session.is_key(names[0])


@pytest.mark.parametrize(
    "value",
    [None, "", 7, "x" * 36, "../../../../../../etc/passwd", "8C9D2B50-3F1E-4A6B-9D57-0E1F2A3B4C5D"],
)
def test_an_invalid_key_is_refused(value):
    assert not session.is_key(value)
