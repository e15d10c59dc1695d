"""The page Quantizer sandbox: every control changes the figures, as the library computes them."""

import pytest

from maskaq.quantization import numpy_reference as reference
from maskaq.ui.state import pages

COUNT = 4096


def sqnr(kind="weights", bits=4, symmetric=True, rule="minmax", seed=0):
    values = reference.sample(kind, COUNT, seed)
    return (
        f"{reference.apply(values, reference.grid(values, bits, symmetric, rule)).sqnr_db:.1f} dB"
    )


@pytest.fixture
def app(open_page):
    return open_page(pages.SANDBOX)


def test_it_opens_with_weights_and_minmax(app, numbers, text, drawn):
    assert not app.exception
    assert numbers(app)["SQNR"] == sqnr()
    assert "4 bits, so 16 codes" in text(app)
    levels = drawn(app, "the levels they are rounded to")["data"][-1]
    assert levels["name"] == "16 levels"
    assert "The first numbers, showing 64 of 4,096." in text(app)


@pytest.mark.parametrize("kind", list(reference.DISTRIBUTIONS)[1:])
def test_the_distribution_changes_the_numbers(kind, app, numbers):
    app.radio(key="values").set_value(kind).run()
    assert not app.exception
    assert numbers(app)["SQNR"] == sqnr(kind) != sqnr()


@pytest.mark.parametrize("rule", ["mse", "adaptive-log", "lsq"])
def test_the_rule_changes_the_levels(rule, app, numbers, drawn):
    app.radio(key="rule").set_value(rule).run()
    assert not app.exception
    assert numbers(app)["SQNR"] == sqnr(rule=rule) != sqnr()
    assert f"rule {rule}" in drawn(app, "levels, 4 bits")["layout"]["title"]["text"]


def test_symmetric_or_not_changes_the_levels(app, numbers, drawn):
    app.radio(key="values").set_value("gelu").run()
    before = drawn(app, "the levels they are rounded to")["data"][-1]["x"]
    app.radio(key="codes").set_value("asymmetric").run()
    after = drawn(app, "the levels they are rounded to")["data"][-1]["x"]
    assert numbers(app)["SQNR"] == sqnr("gelu", symmetric=False)
    assert min(before) < -5 < min(after)  # half of the symmetric levels are unused


@pytest.mark.parametrize(
    "kind, mine, other",
    [
        ("weights", "weight_bits", "activation_bits"),
        ("gelu", "activation_bits", "weight_bits"),
    ],
)
def test_the_bits_of_that_kind_of_number_matter(kind, mine, other, app, numbers, text):
    app.radio(key="values").set_value(kind).run()
    app.slider(key=mine).set_value(3).run()
    assert numbers(app)["SQNR"] == sqnr(kind, bits=3) != sqnr(kind)
    assert "3 bits, so 8 codes" in text(app)
    app.slider(key=other).set_value(8).run()
    assert numbers(app)["SQNR"] == sqnr(kind, bits=3)


def test_the_seed_changes_the_numbers(app, numbers):
    app.number_input(key="seed").set_value(7).run()
    assert numbers(app)["SQNR"] == sqnr(seed=7) != sqnr()


def test_a_rule_that_does_not_fit_the_numbers_says_why(app, text):
    app.radio(key="rule").set_value("log2").run()
    assert not app.exception
    assert "allowed: values from 0, such as softmax" in app.warning[0].value
    assert app.radio(key="codes").disabled
    app.radio(key="values").set_value("softmax").run()
    assert not app.warning
    assert not app.exception
    assert "log2" in app.dataframe[0].value["rule"].tolist()


def test_all_rules_are_compared_on_the_same_numbers(app):
    table = app.dataframe[0].value.set_index("rule")
    assert list(table.index) == ["minmax", "mse", "adaptive-log", "lsq"]
    assert table.loc["mse", "SQNR, dB"] > table.loc["minmax", "SQNR, dB"]
    assert table.loc["minmax", "clipped, %"] == 0 < table.loc["mse", "clipped, %"]
    assert (table["n"] == COUNT).all()


def test_rounding_and_clipping_share_the_error(app, drawn, numbers):
    app.radio(key="values").set_value("outliers").run()
    app.radio(key="rule").set_value("mse").run()
    bars = [trace for trace in drawn(app, "SQNR")["data"] if trace["type"] == "bar"]
    shares = [float(bar["y"][0]) for bar in bars]
    assert sum(shares) == pytest.approx(100)
    assert numbers(app)["Error due to clipping"] == f"{shares[1]:.1f} %"


def test_the_address_holds_the_settings_and_bad_values_are_named(open_page):
    app = open_page(pages.SANDBOX, values="softmax", rule="log2", codes="asymmetric")
    shown = [app.radio(key=key).value for key in ("values", "rule", "codes")]
    assert shown == ["softmax", "log2", "asymmetric"]
    assert not app.warning
    app = open_page(pages.SANDBOX, values="cauchy", rule="lsq2", codes="odd")
    assert not app.exception
    shown = [app.radio(key=key).value for key in ("values", "rule", "codes")]
    assert shown == ["weights", "minmax", "symmetric"]
    notice = app.warning[0].value
    assert "values = `cauchy`. Allowed: weights, gelu, softmax, outliers" in notice
    assert "rule = `lsq2`" in notice
    assert "codes = `odd`" in notice


def test_it_needs_no_worker_and_works_in_a_demo(open_page, monkeypatch, numbers, cluster):
    monkeypatch.setenv("MASKAQ_READONLY", "1")
    app = open_page(pages.SANDBOX)
    app.radio(key="values").set_value("gelu").run()
    assert numbers(app)["SQNR"] == sqnr("gelu")
    assert cluster.warmed == 0
