"""Every page opens on every run that ships, with the runs themselves and not a stand-in."""

from __future__ import annotations

import pytest

from maskaq.config.components import SHIPPED
from maskaq.precomputed import showcase
from maskaq.ui.state import pages, stored_runs


@pytest.mark.parametrize("bits", showcase.BITS)
@pytest.mark.parametrize("spec", pages.PAGES, ids=lambda spec: spec.title)
def test_a_page_opens_on_every_stored_preset(spec, bits, open_page, shipped, text):
    app = open_page(spec, weight_bits=bits[1], activation_bits=bits[3])
    assert not app.exception
    assert not app.warning
    assert len(text(app)) > 200


@pytest.mark.parametrize("bits", showcase.BITS)
@pytest.mark.parametrize("spec", [pages.SYNTHESIS, pages.QUANTIZE], ids=lambda s: s.title)
def test_every_source_has_its_stored_run(spec, bits, open_page, shipped, text):
    app = open_page(spec, weight_bits=bits[1], activation_bits=bits[3])
    for source in SHIPPED:
        app.selectbox(key="source").set_value(source).run()
        assert not app.exception
        assert "Stored example, shipped with maskaq" in text(app)
        assert any(f"--bits {bits}" in code.value for code in app.code)


def test_all_sources_at_all_widths_are_shipped(shipped):
    found = {
        (run.result.spec.synthesis.source, run.result.spec.quantization.name)
        for run in stored_runs.presets()
    }
    assert found == {(source, bits) for source in SHIPPED for bits in showcase.BITS}
    for run in stored_runs.presets():
        assert run.result.evaluated == 5_000
        assert run.samples["images"].shape == (32, 3, 64, 64)
        assert run.evidence is not None
