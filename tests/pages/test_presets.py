"""Every page opens with every run that ships, the real ones rather than made-up examples."""

import pytest

from maskaq.config.components import SOURCES
from maskaq.precomputed import showcase
from maskaq.ui.state import pages, stored_runs

SHIPPED = [name for name, source in SOURCES.items() if source.shipped]


TABS = [
    (spec, tab)
    for spec in pages.PAGES
    for tab in spec.tabs
    if {"weight_bits", "activation_bits"} <= set(spec.tabs[tab])
]


@pytest.mark.parametrize("spec, tab", TABS, ids=lambda one: getattr(one, "title", one))
def test_a_tab_opens_at_every_stored_bit_width(spec, tab, open_page, set_bits, shipped, text):
    app = open_page(spec, **({spec.parameter: tab} if tab else {}))
    for bits in showcase.BITS:
        set_bits(app, bits)
        assert not app.exception
        assert not app.warning
        assert len(text(app)) > 200


@pytest.mark.parametrize("tab", pages.MAKE_ONE.tabs)
def test_every_source_has_its_stored_run(tab, open_page, set_bits, shipped, text):
    app = open_page(pages.MAKE_ONE, make=tab)
    for source in SHIPPED:
        app.selectbox(key="source").set_value(source)
        for bits in showcase.BITS:
            set_bits(app, bits)
            assert not app.exception
            shown = text(app)
            assert "Stored example, shipped with maskaq" in shown
            assert "Not computed yet" not in shown
            if tab == "Result":
                assert any(f"--bits {bits}" in code.value for code in app.code)
            if tab == "Draw":
                stepless = "does not make its images step by step" in shown
                assert stepless == (source in ("noise", "real"))


def test_all_sources_at_all_widths_are_shipped(shipped):
    found = {
        (run.result.spec.synthesis.source, run.result.spec.quantization.name)
        for run in stored_runs.presets("scenes_vit")
    }
    assert found == {(source, bits) for source in SHIPPED for bits in showcase.BITS}
    for run in stored_runs.presets():
        assert run.result.evaluated == 5_000
        assert run.samples["images"].shape == (32, 3, 64, 64)
        assert run.evidence is not None
