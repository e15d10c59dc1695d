from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from maskaq.errors import RunError
from maskaq.events import Event
from maskaq.methods import spec_of
from maskaq.models.bundled import CHECKPOINT
from maskaq.ui import library, live
from tests import stored

SPEC = spec_of("maskaq")


@pytest.fixture
def examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two shipped examples, W3A3 and W4A4, and an empty folder for runs."""
    folder = tmp_path / "examples"
    stored.write(folder / "a", spec_of("maskaq", (3, 3)))
    stored.write(folder / "b", SPEC)
    monkeypatch.setattr(library, "EXAMPLES", folder)
    monkeypatch.setenv("MASKAQ_RUNS", str(tmp_path / "runs"))
    return folder


def test_examples_are_read_in_order(examples):
    found = library.examples()
    assert [run.result.spec.quantization.name for run in found] == ["W3A3", "W4A4"]
    assert found[0].result == stored.result(spec_of("maskaq", (3, 3)))
    assert found[0].folder == examples / "a"
    assert found[0].curves.equals(stored.CURVES)


@pytest.mark.parametrize("bits, shown", [("W4A4", "W4A4"), ("W3A3", "W3A3"), ("W8A8", "W3A3")])
def test_the_closest_example_has_the_same_bits_or_is_the_first(examples, bits, shown):
    run = library.closest(library.examples(), bits)
    assert run is not None
    assert run.result.spec.quantization.name == shown


def test_without_examples_there_is_no_closest_one():
    assert library.closest([], "W4A4") is None


def test_a_run_is_found_where_it_was_computed_before_it_is_found_among_the_examples(examples):
    shipped = library.find(SPEC)
    assert shipped is not None
    assert shipped.folder == examples / "b"
    stored.write(library.folder_of(SPEC), SPEC)
    computed = library.find(SPEC)
    assert computed is not None
    assert computed.folder == library.folder_of(SPEC)
    assert library.find(replace(SPEC, seed=1)) is None


def test_every_setting_has_a_folder_of_its_own(examples):
    others = [
        replace(SPEC, seed=1),
        replace(SPEC, synthesis=replace(SPEC.synthesis, drop=0.25)),
        spec_of("maskaq", (4, 5)),
    ]
    assert len({library.folder_of(spec) for spec in (SPEC, *others)}) == 4
    assert library.folder_of(SPEC) == library.folder_of(spec_of("maskaq"))


@pytest.mark.skipif(not CHECKPOINT.is_file(), reason="the bundled model has not been trained")
def test_a_computed_run_is_stored_and_read_back(examples):
    small = replace(SPEC.synthesis, source="noise", images=4)
    quick = replace(SPEC.fit, backend="minmax")
    spec = replace(SPEC, synthesis=small, fit=quick, eval_images=20)
    *events, last = library.compute(spec)
    assert {event.stage for event in events} == set(live.STAGES)
    assert all(isinstance(event, Event) for event in events)
    assert last.result.spec == spec
    assert last.result.evaluated == 20
    assert last.folder == library.folder_of(spec).resolve()
    assert last.sheet.is_file()
    found = library.find(spec)
    assert found is not None
    assert found.result == last.result


def test_a_folder_that_cannot_be_written_is_refused_before_the_work(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("MASKAQ_RUNS", str(tmp_path / "file"))
    with pytest.raises(RunError, match=r"cannot be written .*; set MASKAQ_RUNS to a folder"):
        next(library.compute(SPEC))


def test_the_estimate_scales_synthesis_with_images_and_steps(examples):
    runs = library.examples()
    assert library.seconds_for(SPEC, runs) == pytest.approx(40)
    made = SPEC.synthesis
    double = replace(SPEC, synthesis=replace(made, images=2 * made.images))
    assert library.seconds_for(double, runs) == pytest.approx(70)
    half = replace(SPEC, synthesis=replace(made, steps=made.steps // 2))
    assert library.seconds_for(half, runs) == pytest.approx(25)
    other = replace(SPEC, synthesis=replace(made, source="noise"))
    assert library.seconds_for(other, runs) is None
    assert library.seconds_for(SPEC, []) is None
