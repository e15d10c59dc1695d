"""Tables of many runs: finished cells are not run again, samples are made once."""

import json
from dataclasses import replace

import pytest
import torch

from benchmarks import ablation, accuracy, cells, image_steps
from maskaq.config import RunSpec, components
from maskaq.config.presets import spec_of
from maskaq.precomputed import accuracy_table
from maskaq.quantization.backends import BACKENDS
from maskaq.runs.context import RunContext
from maskaq.runs.execute import execute
from maskaq.synthesis.context import SynthesisContext
from maskaq.synthesis.sources import SOURCES
from tests.support import short

TINY = ["--images", "2", "--steps", "1", "--eval-images", "40"]


@pytest.fixture
def small(small_spec: RunSpec) -> RunSpec:
    made = replace(small_spec.synthesis, images=2, steps=1)
    return replace(small_spec, synthesis=made, fit=replace(small_spec.fit, epochs=1))


@pytest.fixture(scope="session")
def small_spec() -> RunSpec:
    spec = spec_of("maskaq")
    fit = replace(spec.fit, reconstruction=short.RECONSTRUCTION)
    return replace(spec, fit=fit, eval_images=40, precision="float32")


@pytest.fixture
def nothing_runs(monkeypatch):
    """A function after whose call a run, a synthesis or loading a model fails the test."""

    def forbid():
        def refuse(*args, **kwargs):
            raise AssertionError("something ran again")

        monkeypatch.setattr(cells, "execute", refuse)
        monkeypatch.setattr(cells, "synthesize", refuse)
        monkeypatch.setattr(RunContext, "of", refuse)

    return forbid


def test_shared_samples_give_the_result_of_a_whole_run(small, tmp_path):
    small = replace(small, fit=replace(small.fit, backend="tails"))
    whole = execute(small, progress=False).result
    found = cells.Cells(tmp_path).result("one", small)
    assert (found.q, found.fp, found.agreement) == (whole.q, whole.fp, whole.agreement)
    assert found.tensors == whole.tensors
    assert found.seconds["synthesis"] > 0
    parts = [taken for stage, taken in found.seconds.items() if stage != "total"]
    assert found.seconds["total"] == pytest.approx(sum(parts))


def test_cells_share_samples_and_the_evaluation_of_p(small, tmp_path, monkeypatch):
    table, seen = cells.Cells(tmp_path), []
    monkeypatch.setattr(
        cells, "execute", lambda spec, **how: seen.append(how) or execute(spec, **how)
    )
    noise = replace(small, synthesis=replace(small.synthesis, source="noise"))
    first = table.result("a", replace(noise, fit=replace(noise.fit, backend="minmax")))
    verdict = seen[0]["context"].p_answers
    second = table.result("b", replace(noise, fit=replace(noise.fit, backend="mse")))
    assert seen[0]["samples"] is seen[1]["samples"]
    assert seen[0]["context"] is seen[1]["context"]
    assert seen[1]["context"].p_answers.ranks.equal(verdict.ranks)
    assert first.fp == second.fp
    assert len(list((tmp_path / "samples").glob("*.pt"))) == 1
    again = cells.Cells(tmp_path)._samples(noise, seen[0]["context"])  # from the file
    assert again.samples.images.equal(seen[0]["samples"].images)
    assert again.seconds == first.seconds["synthesis"]


def test_another_spec_or_a_broken_file_counts_as_missing(small, tmp_path):
    table = cells.Cells(tmp_path)
    noise = replace(small, synthesis=replace(small.synthesis, source="noise"))
    noise = replace(noise, fit=replace(noise.fit, backend="minmax"))
    table.result("a", noise)
    assert table.stored("a", noise) is not None
    assert table.stored("a", replace(noise, seed=1)) is None
    (tmp_path / "a.json").write_text("{")
    assert table.stored("a", noise) is None


def test_sample_files_differ_where_samples_differ(small):
    name = cells.sample_name(small)
    other = replace(small, fit=replace(small.fit, backend="mse"))
    assert cells.sample_name(replace(small, eval_images=7)) == name
    assert cells.sample_name(other) != name  # alignment uses Q
    assert cells.sample_name(replace(small, seed=1)) != name

    def blind(spec):
        made = spec.synthesis
        return replace(
            spec, synthesis=replace(made, coefficients=replace(made.coefficients, align=0.0))
        )

    assert cells.sample_name(blind(other)) == cells.sample_name(blind(small))
    photographs = replace(small, data="folder", holdout=8)
    assert cells.sample_name(photographs) != cells.sample_name(replace(photographs, holdout=9))


def test_the_table_names_the_sources_that_use_q(small, scenes_p, monkeypatch):
    def looking(source):
        asked = []
        monkeypatch.setattr(
            SynthesisContext,
            "quantized",
            lambda self, images: asked.append(source) or real(self, images),
        )

        def calibration(count):
            return torch.zeros(count, 3, 64, 64, dtype=torch.uint8), torch.zeros(count).long()

        options = replace(small.synthesis, source=source)
        for _ in SOURCES[source](
            scenes_p, options, seed=0, make_q=lambda images: quantized, calibration=calibration
        ):
            pass
        return asked

    real = SynthesisContext.quantized
    images = torch.zeros(2, 3, 64, 64)
    from maskaq.quantization.backends.ranges_only import calibrated_q

    quantized = calibrated_q(scenes_p.model, small.quantization, BACKENDS["minmax"].scheme, images)
    assert {source for source in SOURCES if looking(source)} == {
        name for name, info in components.SOURCES.items() if info.uses_q
    }


def test_the_accuracy_table_resumes_and_is_stored(tmp_path, capsys, monkeypatch, nothing_runs):
    monkeypatch.setattr(accuracy_table, "FILE", tmp_path / "accuracy.json")
    words = [*TINY, "--bits", "W4A4", "--source", "noise", "--backend", "minmax", "mse"]
    words += ["--seed", "0", "1", "--out", str(tmp_path / "cells"), "--store"]
    accuracy.main(words)
    said = capsys.readouterr().out
    assert "W4A4: top-1 of Q in %, P " in said
    assert "n = 40 images, seeds 0 1" in said
    assert "| source | minmax | mse |" in said
    nothing_runs()
    accuracy.main([*words, "--json"])
    rows = json.loads(capsys.readouterr().out)
    assert [(row["backend"], row["seed"]) for row in rows] == [
        *(("minmax", 0), ("mse", 0)),
        *(("minmax", 1), ("mse", 1)),
    ]
    assert all(row["q_low"] < row["q"] < row["q_high"] and row["n"] == 40 for row in rows)
    stored = accuracy_table.read(accuracy_table.FILE)["scenes_vit"]
    assert len(stored.table) == 4
    assert stored.command == (
        "python -m benchmarks.accuracy --model scenes_vit --bits W4A4 --source noise "
        "--backend minmax mse --seed 0 1 --images 2 --steps 1 --eval-images 40 --store"
    )


def test_stored_prints_stored_cells_only(tmp_path, nothing_runs):
    nothing_runs()
    with pytest.raises(SystemExit, match="has no cell"):
        accuracy.main([*TINY, "--out", str(tmp_path), "--stored"])
    with pytest.raises(SystemExit, match="has no cell"):
        ablation.main(["--out", str(tmp_path), "--stored"])


def test_the_stored_command_has_no_local_paths():
    words = ["--model", "vit_tiny_patch16_224", "--weights", "/a/b", "--data", "/c", "--bits"]
    args = accuracy._parser().parse_args([*words, "W4A4", "--seed", "3"])
    said = accuracy.command(args)
    assert "/" not in said
    assert "--weights FILE --data FOLDER --holdout 0 --bits W4A4 --seed 3 --store" in said
    specs = [planned.spec for planned in accuracy.plan(args)]
    assert {spec.holdout for spec in specs} == {specs[0].synthesis.images}
    assert {planned.samples_of.fit.backend for planned in accuracy.plan(args)} == {
        spec_of("maskaq").fit.backend
    }
    pairs = {(spec.synthesis.source, spec.fit.backend) for spec in specs}
    assert pairs == {(source, backend) for source in SOURCES for backend in BACKENDS}


def test_settings_of_the_table_reach_every_cell():
    plain, changed = (
        accuracy._parser().parse_args(["--bits", "W4A4", *extra])
        for extra in ([], ["--set", "synthesis.savings.blocks=0.5", "fit.epochs=3"])
    )
    assert "--set synthesis.savings.blocks=0.5 fit.epochs=3 --store" in accuracy.command(changed)
    for planned in accuracy.plan(changed):
        assert planned.spec.synthesis.savings.blocks == 0.5
        assert planned.spec.fit.epochs == planned.samples_of.fit.epochs == 3
    names = [{planned.name for planned in accuracy.plan(args)} for args in (plain, changed)]
    assert not names[0] & names[1]


def test_every_variant_changes_the_setting_in_its_name():
    args = ablation._parser().parse_args(["--seed", "0"])
    specs = {variant: spec for _, variant, _, spec in ablation.plan(args)}
    whole = specs[ablation.WHOLE]
    assert whole.fit.backend == "lsq-kd"
    assert whole.fit.refresh > 0
    assert whole.fit.mask_weight > 1
    assert whole.synthesis.coefficients.entropy > 0
    assert specs["without entropy"].synthesis.coefficients.entropy == 0
    assert specs["without alignment"].synthesis.coefficients.align == 0
    assert specs["without refresh"].fit.refresh == 0
    assert specs["without calibration mask"].fit.mask_weight == 1
    assert specs["mask ratio 30 %"].synthesis.mask_ratio == (0.3, 0.3)
    assert len(set(map(repr, specs.values()))) == len(ablation.VARIANTS)


def test_the_ablation_resumes_and_compares_seed_by_seed(tmp_path, capsys, nothing_runs):
    small = ["synthesis.images=2", "synthesis.steps=1", "fit.epochs=2", "fit.refresh_steps=1"]
    words = ["--variant", "whole", "without refresh", "--seed", "0", "--refresh", "1"]
    words += ["--eval-images", "40", "--set", *small, "--out", str(tmp_path)]
    ablation.main(words)
    said = capsys.readouterr().out
    assert "| W3A3 | whole | " in said
    assert "of 1 comparisons" in said
    assert len(list((tmp_path / "samples").glob("*.pt"))) == 1  # shared by both
    nothing_runs()
    ablation.main([*words, "--json"])
    whole, without = json.loads(capsys.readouterr().out)
    assert whole["difference"] == 0
    assert without["difference"] == pytest.approx(without["q"] - whole["q"])
    assert without["difference_low"] is None  # one seed


def test_differences_have_student_intervals_over_seeds():
    from tests.support import stored

    def result(seed, top1):
        found = stored.result(replace(spec_of("maskaq"), seed=seed))
        return replace(found, q=replace(found.q, top1=top1))

    found = {
        ("W3A3", "whole"): {0: result(0, 0.80), 1: result(1, 0.70), 2: result(2, 0.60)},
        ("W3A3", "without entropy"): {0: result(0, 0.78), 1: result(1, 0.68), 2: result(2, 0.59)},
    }
    _, row = ablation.rows(found)
    assert row["difference"] == pytest.approx(-5 / 3)
    half = 4.302653 * (1 / 3) ** 0.5 / 3**0.5  # deviation 0.577, three seeds
    assert row["difference_high"] == pytest.approx(-5 / 3 + half, abs=1e-4)
    assert ablation.line(row).startswith("| W3A3 | without entropy | 68.3 [")
    assert "worse in 1 of 1 comparisons, in 1 of them" in ablation.verdict([row])


def test_fewer_images_are_the_first_of_more(tmp_path, capsys, nothing_runs):
    words = ["--bits", "W4A4", "--terms", "class and smoothness", "--images", "2", "4"]
    words += ["--seed", "0", "1", "--eval-images", "40", "--out", str(tmp_path)]
    words += ["--set", "synthesis.steps=1", "fit.reconstruction.views=1"]
    image_steps.main(words)
    printed = capsys.readouterr().out
    assert len(list((tmp_path / "samples").iterdir())) == 2  # one file per seed
    few, more = printed.splitlines()[2:]
    assert few.startswith("| W4A4 | class and smoothness | 2 | 2 | ")
    assert more.startswith("| W4A4 | class and smoothness | 4 | 4 | ")
    first = json.loads((tmp_path / "scenes_vit_W4A4_class-and-smoothness_2_0.json").read_text())
    assert first["samples"]["count"] == 2
    nothing_runs()
    image_steps.main(words)
    assert capsys.readouterr().out == printed
