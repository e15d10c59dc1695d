import os
from dataclasses import replace
from pathlib import Path

import pytest

from maskaq.config.presets import spec_of
from maskaq.errors import RunError
from maskaq.jobs import service
from maskaq.results import manifest
from maskaq.results.paths import folder_of
from maskaq.ui.state import stored_runs
from tests.support import fake_cluster, stored

SPEC = spec_of("maskaq")
NOISE = replace(spec_of("maskaq", (3, 3)), synthesis=replace(SPEC.synthesis, source="noise"))


@pytest.fixture(autouse=True)
def examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three shipped examples and an empty folder for runs."""
    folder = tmp_path / "examples"
    stored.write(folder / "a", spec_of("maskaq", (3, 3)))
    stored.write(folder / "b", SPEC)
    stored.write(folder / "c", NOISE)
    monkeypatch.setattr(stored_runs, "EXAMPLES", folder)
    monkeypatch.setenv("MASKAQ_RUNS", str(tmp_path / "runs"))
    return folder


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> fake_cluster.FakeCluster:
    return fake_cluster.install(monkeypatch)


def test_presets_are_sorted_by_folder_name(examples):
    presets = stored_runs.presets()
    assert [run.result.spec.quantization.name for run in presets] == ["W3A3", "W4A4", "W3A3"]
    assert presets[0].result == stored.result(spec_of("maskaq", (3, 3)))
    assert presets[0].folder == examples / "a"
    assert presets[0].curves.equals(stored.CURVES)
    assert all(map(stored_runs.shipped, presets))


def test_an_example_has_the_source_and_the_bits():
    run = stored_runs.example("noise", "W3A3")
    assert run is not None
    assert run.result.spec.synthesis.source == "noise"
    assert stored_runs.example("noise") is None  # at W4A4
    assert stored_runs.example("dreams") is None


def test_a_computed_run_is_preferred_to_a_shipped_one(examples):
    shipped = stored_runs.find(SPEC)
    assert shipped is not None
    assert shipped.folder == examples / "b"
    stored.write(folder_of(SPEC), SPEC)
    computed = stored_runs.find(SPEC)
    assert computed is not None
    assert computed.folder == folder_of(SPEC)
    assert not stored_runs.shipped(computed)
    assert stored_runs.find(replace(SPEC, seed=1)) is None


def test_a_run_on_own_files_is_found_for_its_owner_only(fake):
    spec = replace(SPEC, weights="mine.safetensors")
    fake.start("me", spec)
    fake.finish()
    assert stored_runs.find(spec, "me") is not None
    assert stored_runs.find(spec, "you") is None
    assert stored_runs.find(spec) is None


def test_a_list_contains_shipped_own_and_command_line_runs_only(fake, tmp_path):
    mine, others, single = (replace(SPEC, seed=seed) for seed in (1, 2, 3))
    for owner, spec in (("me", mine), ("you", others)):
        fake.start(owner, spec)
        fake.finish()
    stored.write(tmp_path / "runs" / "single", single)
    seeds = [run.result.spec.seed for run in stored_runs.listed("me")]
    assert seeds == [0, 0, 0, 1, 3]


def test_a_damaged_run_is_left_out(tmp_path):
    stored.write(tmp_path / "runs" / "single", SPEC)
    (tmp_path / "runs" / "single" / "result.json").write_text("{")
    assert len(stored_runs.listed("me")) == 3
    with pytest.raises(RunError):
        stored_runs.read(tmp_path / "runs" / "single")
    with pytest.raises(RunError, match="contains no run"):
        stored_runs.read(tmp_path / "runs" / "nothing")


def test_a_run_is_cached_until_it_changes(examples):
    first = stored_runs.read(examples / "a")
    assert stored_runs.read(examples / "a") is first
    file = examples / "a" / "result.json"
    file.write_text(stored.result(SPEC).to_json())
    manifest.seal(file.parent)
    os.utime(file.with_name(manifest.NAME), ns=(1, 1))
    assert stored_runs.read(examples / "a").result.spec == SPEC


def test_the_estimate_scales_synthesis_with_images_and_steps():
    runs = stored_runs.presets()
    assert stored_runs.seconds_for(SPEC, runs) == pytest.approx(40)
    synthesis = SPEC.synthesis
    double = replace(SPEC, synthesis=replace(synthesis, images=2 * synthesis.images))
    assert stored_runs.seconds_for(double, runs) == pytest.approx(70)
    half = replace(SPEC, synthesis=replace(synthesis, steps=synthesis.steps // 2))
    assert stored_runs.seconds_for(half, runs) == pytest.approx(25)
    fewer = replace(SPEC, eval_images=100)
    assert stored_runs.seconds_for(fewer, runs) == pytest.approx(40 - 5 * 0.8)
    simple = replace(SPEC, fit=replace(SPEC.fit, backend="minmax"))
    assert stored_runs.seconds_for(simple, runs) == pytest.approx(40 - 4)
    other = replace(SPEC, synthesis=replace(synthesis, source="mimiq"))
    assert stored_runs.seconds_for(other, runs) is None
    assert stored_runs.seconds_for(SPEC, []) is None


def test_the_estimate_prefers_a_run_at_the_same_bits(tmp_path):
    few = replace(SPEC, quantization=replace(SPEC.quantization, weight_bits=2, activation_bits=2))
    stored.write(tmp_path / "few", few)
    result = stored.result(few)
    long = replace(result, seconds=result.seconds | {"total": 95.0})
    (tmp_path / "few" / "result.json").write_text(long.to_json())
    manifest.seal(tmp_path / "few")
    runs = [*stored_runs.presets(), stored_runs.read(tmp_path / "few")]
    assert stored_runs.seconds_for(few, runs) == pytest.approx(95)
    assert stored_runs.seconds_for(SPEC, runs) == pytest.approx(40)


@pytest.mark.parametrize("value, off", [("1", True), ("", False), ("0", False)])
def test_read_only_mode_is_set_by_the_environment(monkeypatch, value, off):
    monkeypatch.setenv("MASKAQ_READONLY", value)
    assert service.readonly() is off
