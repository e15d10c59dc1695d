import uuid
from types import SimpleNamespace

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from maskaq.config.presets import spec_of
from maskaq.jobs import service
from maskaq.jobs.job import Record
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


def test_runs_started_before_the_tab_answers_belong_to_the_tab(monkeypatch):
    app = AppTest.from_function(script).run()
    before = app.text[0].value
    spec = spec_of("maskaq")
    started = [Record("moved", before, spec), Record("foreign", "another", spec)]
    service._SHARED._records.add(started)
    answer = SimpleNamespace(key=str(uuid.uuid4()))
    monkeypatch.setattr(st.components.v2, "component", lambda *_, **__: lambda **_: answer)
    try:
        assert app.run().text[0].value == answer.key
        assert [record.id for record in service.runs_of(answer.key)] == ["moved"]
        assert service.runs_of(before) == []
        assert [record.id for record in service.runs_of("another")] == ["foreign"]
    finally:
        for record in started:
            service._SHARED._records.pop(record.id)
