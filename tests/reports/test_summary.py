from dataclasses import replace
from pathlib import Path

import pytest

from maskaq.config.presets import spec_of
from maskaq.errors import OptionError
from maskaq.reports import summary
from maskaq.results import store
from tests.support import stored

EXAMPLES = Path(summary.__file__).parents[1] / "precomputed" / "examples"


def example(bits, source):
    return store.read(EXAMPLES / f"scenes_vit_{bits}_{source}_reconstruct_0")


@pytest.mark.parametrize(
    "bits, source, title",
    [
        ("W4A4", "maskaq", "in 4 bits, without its training data"),
        ("W2A4", "noise", "with 2-bit weights and 4-bit activations, without its training data"),
        ("W8A8", "real", "in 8 bits, fitted to 32 real images"),
    ],
)
def test_the_title_needs_no_number_format(bits, source, title):
    found = summary.of_runs([example(bits, source)])
    assert found.title == f"Vision Transformer scenes_vit {title}"
    real = "real images of a split that the evaluation never sees" in found.what
    assert real == (source == "real")
    assert ("no real image was used" in found.what) != real


def test_one_run_has_its_verdict_its_interval_and_its_size():
    found = summary.of_runs([example("W4A4", "maskaq")])
    assert found.good.startswith("**At W4A4 the quantized model keeps 99.5 % of the accuracy**")
    assert "same 5,000 images" in found.sure
    assert "96.6 % (96.1 to 97.1)" in found.sure
    assert "7.3 MB, packed at their bit widths 1.0 MB (**7.1 times smaller**)" in found.small
    assert "first and the last layer to 8" in found.what
    assert len(found.repeat) == 1


def test_runs_at_the_same_bits_have_one_size():
    runs = [example("W4A4", source) for source in ("maskaq", "mimiq", "noise", "real")]
    found = summary.of_runs(runs)
    assert found.title == "4 quantized versions of scenes_vit in 4 bits, compared"
    assert "in 4 ways: maskaq, mimiq, noise and real." in found.what
    assert "cannot be told apart" in found.good
    assert found.small.count("MB") == 3
    assert len(found.repeat) == 4


def test_many_runs_still_fill_one_page():
    runs = [example(b, s) for b in ("W8A8", "W4A4", "W3A3", "W2A4") for s in ("noise", "real")]
    found = summary.of_runs(runs)
    assert found.repeat == ()
    assert sum(len(text.split()) for _, text in found.parts()) < 200
    assert "W2A4 noise" in found.sure  # the one that agrees least
    assert "0.6 MB (**12.5 times smaller**) to 1.9 MB (**3.8 times smaller**)" in found.small


def test_an_unknown_size_is_said(tmp_path):
    stored.write(tmp_path / "run", replace(spec_of("maskaq"), seed=3))
    assert summary.of_runs([store.read(tmp_path / "run")]).small.startswith("Not computed")


def test_a_summary_of_nothing_is_refused():
    with pytest.raises(OptionError, match="at least one run"):
        summary.of_runs([])
