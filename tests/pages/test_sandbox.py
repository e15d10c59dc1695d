"""The tab Sandbox: every control changes the figures, as the library computes them."""

import json

import numpy as np
import pytest
from safetensors.numpy import load

from maskaq.quantization import level_list
from maskaq.quantization import numpy_reference as reference
from maskaq.ui.sandbox import pasted, tab
from maskaq.ui.state import pages


def listed(kind="weights", bits=4, symmetric=True, rule="minmax", seed=0):
    values = reference.sample(kind, tab.COUNT, seed)
    return level_list.of_grid(reference.grid(values, bits, symmetric, rule))


@pytest.fixture
def opened(open_page):
    return lambda **query: open_page(pages.LEARN, learn="Sandbox", **query)


@pytest.fixture
def app(opened):
    return opened()


def components(app):
    found = app.get("bidi_component")
    return [one for one in found if one.proto.component_name == "maskaq_sandbox"]


@pytest.fixture
def sent():
    """What the browser gets: the arrays, and the document."""

    def read(app):
        (component,) = components(app)
        data = component.proto.bytes
        size = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + size])
        return load(data), json.loads(header["__metadata__"]["json"])

    return read


def shows(message, levels, values=None):
    """Whether the browser gets these levels."""
    arrays, document = message
    assert document["rule"] == levels.rule
    assert document["bits"] == levels.bits
    np.testing.assert_allclose(arrays["levels"], levels.levels, rtol=1e-6)
    np.testing.assert_allclose(arrays["edges"], levels.edges, rtol=1e-6)
    np.testing.assert_array_equal(arrays["codes"], levels.codes)
    if values is not None:
        np.testing.assert_array_equal(arrays["values"], values)
    return True


def test_it_opens_with_weights_and_minmax(app, sent, text):
    assert not app.exception
    assert shows(sent(app), listed(), reference.sample("weights", tab.COUNT, 0))
    assert sent(app)[1]["random"]
    assert "**16 levels**, evenly spaced" in text(app)
    assert "quantizer" in text(app)


def test_its_one_slider_for_bits_is_the_only_one_and_acts(app, sent, drawn, text):
    assert [slider.key for slider in app.slider] == ["bits"]
    app.slider(key="bits").set_value(2).run()
    assert shows(sent(app), listed(bits=2))
    assert "**4 levels**" in text(app)
    assert drawn(app, "4 levels, minmax")


@pytest.mark.parametrize("kind", list(reference.DISTRIBUTIONS)[1:])
def test_the_distribution_changes_the_numbers(kind, app, sent):
    app.selectbox(key="values").set_value(kind).run()
    assert not app.exception
    assert shows(sent(app), listed(kind), reference.sample(kind, tab.COUNT, 0))


@pytest.mark.parametrize("rule", ["mse", "adaptive-log", "lsq"])
def test_the_rule_changes_the_levels(rule, app, sent, drawn):
    app.selectbox(key="rule").set_value(rule).run()
    assert not app.exception
    assert shows(sent(app), listed(rule=rule))
    assert sent(app)[1]["symmetric"] == (rule != "adaptive-log")
    assert f"→ {rule}" in drawn(app, "Error of every rule")["data"][0]["y"]


def test_symmetric_or_not_changes_the_levels(app, sent):
    app.selectbox(key="values").set_value("gelu").run()
    app.radio(key="codes").set_value("asymmetric").run()
    assert shows(sent(app), listed("gelu", symmetric=False))
    assert not sent(app)[1]["symmetric"]


def test_the_seed_changes_random_numbers_and_is_hidden_for_ones_own(app, sent):
    app.number_input(key="sample").set_value(7).run()
    assert shows(sent(app), listed(seed=7), reference.sample("weights", tab.COUNT, 7))
    app.selectbox(key="values").set_value(tab.OWN).run()
    assert not app.number_input


def test_a_rule_that_does_not_fit_the_numbers_says_why(app):
    app.selectbox(key="rule").set_value("log2").run()
    assert not app.exception
    assert "allowed: values from 0, such as softmax" in app.warning[0].value
    assert not components(app)
    assert app.radio(key="codes").disabled
    app.selectbox(key="values").set_value("softmax").run()
    assert not app.warning
    assert components(app)


def test_all_rules_are_compared_on_the_same_numbers(app, sent, drawn):
    rounding, clipping = drawn(app, "Error of every rule")["data"][:2]
    names = [name.removeprefix("→ ") for name in rounding["y"]]
    assert names == ["minmax", "mse", "adaptive-log", "lsq"]
    assert clipping["x"][0] == 0 < clipping["x"][1]
    values = reference.sample("weights", tab.COUNT, 0)
    assert {one["name"]: one["sqnr"] for one in sent(app)[1]["rules"]} == {
        name: pytest.approx(level_list.apply(values, listed(rule=name)).sqnr_db) for name in names
    }


def test_a_click_on_a_bar_uses_its_rule(app, sent, monkeypatch):
    monkeypatch.setattr(tab.st, "session_state", state := {tab._HAND: {"settings": "old"}})
    tab._pick("mse")
    assert state == {"rule": "mse"}
    tab._pick("<script>")
    assert state == {"rule": "mse"}


def drag(app, document, levels, edges):
    """What the browser sends at the end of a drag."""
    app.session_state[tab._HAND] = {
        "settings": document["settings"],
        "levels": levels,
        "edges": edges,
    }
    return app.run()


def test_levels_by_hand_are_drawn_until_a_setting_changes(app, sent, text, drawn):
    _, document = sent(app)
    app.slider(key="bits").set_value(2).run()
    _, document = sent(app)
    levels, edges = [-0.1, -0.05, 0.0, 0.2], [-0.12, -0.075, -0.025, 0.1, 0.3]
    drag(app, document, levels, edges)
    arrays, _ = sent(app)
    np.testing.assert_allclose(arrays["hand_levels"], levels, rtol=1e-6)
    np.testing.assert_allclose(arrays["hand_edges"], edges, rtol=1e-6)
    assert "with gaps of 0.05 to 0.2" in text(app)
    assert drawn(app, "4 levels, by hand")
    assert "→ by hand" in drawn(app, "Error of every rule")["data"][0]["y"]
    app.selectbox(key="rule").set_value("mse").run()
    assert "hand_levels" not in sent(app)[0]
    assert "by hand" not in str(drawn(app, "Error of every rule")["data"][0]["y"])


@pytest.mark.parametrize(
    "levels, edges",
    [([1, 2], [0, 1, 2]), ([3, 2, 1, 0], [0, 1, 2, 3, 4]), ("abcd", "abcde"), (None, 5)],
)
def test_forged_levels_are_ignored(levels, edges, app, sent):
    app.slider(key="bits").set_value(2).run()
    drag(app, sent(app)[1], levels, edges)
    assert not app.exception
    assert "hand_levels" not in sent(app)[0]


def test_numbers_of_ones_own_are_used(app, sent):
    app.selectbox(key="values").set_value(tab.OWN).run()
    np.testing.assert_array_equal(sent(app)[0]["values"], pasted.parse(pasted.EXAMPLE))
    app.text_area(key="own_numbers").set_value("1, 2\n-3;4e-2").run()
    arrays, document = sent(app)
    np.testing.assert_array_equal(arrays["values"], np.array([1, 2, -3, 0.04], np.float32))
    assert not document["random"]


def test_a_text_without_numbers_is_refused(app):
    app.selectbox(key="values").set_value(tab.OWN).run()
    app.text_area(key="own_numbers").set_value("1 two 3").run()
    assert not app.exception
    assert "Number 2 is `two`" in app.error[0].value
    assert not components(app)
    assert not app.get("plotly_chart")


def test_equal_numbers_can_be_rounded_too(app, sent):
    app.selectbox(key="values").set_value(tab.OWN).run()
    app.text_area(key="own_numbers").set_value("0").run()
    assert not app.exception
    assert sent(app)[1]["rules"][0] == {"name": "minmax", "sqnr": 999}


def test_the_address_holds_the_settings_and_bad_values_are_named(opened, sent):
    app = opened(bits="3", values="softmax", rule="log2", codes="asymmetric", sample="5")
    assert shows(sent(app), listed("softmax", 3, False, "log2", 5))
    assert not app.warning
    app = opened(bits="9", values="cauchy", rule="lsq2", codes="odd")
    assert not app.exception
    assert shows(sent(app), listed())
    notice = app.warning[0].value
    assert "bits = `9`. Allowed: 2 to 8" in notice
    assert "values = `cauchy`. Allowed: weights, gelu, softmax, outliers, my own" in notice
    assert "rule = `lsq2`" in notice
    assert "codes = `odd`" in notice


def test_it_needs_no_worker_and_works_in_a_demo(opened, monkeypatch, sent, cluster):
    monkeypatch.setenv("MASKAQ_READONLY", "1")
    app = opened(values="gelu")
    assert shows(sent(app), listed("gelu"))
    assert cluster.warmed == 0
