import time
from dataclasses import replace
from pathlib import Path

import pytest

from maskaq.config import RunSpec
from maskaq.config.grid_file import LIMIT, parse_grid, read_grid, to_toml
from maskaq.config.presets import spec_of
from maskaq.errors import OptionError

WHOLE = """
method = "mimiq"
eval_images = 100
synthesis.images = 8

[grid]
bits = ["W4A4", "W3A3"]
backend = ["mse", "lsq-kd"]
synthesis.mask_ratio = [0.3, [0.5, 0.1], "0.4:0.2"]

[[runs]]
bits = "W8A8"
source = "noise"

[[runs]]
method = "maskaq"
fit = { backend = "minmax" }
"""


def test_a_grid_crosses_its_axes_and_adds_single_runs() -> None:
    specs = parse_grid(WHOLE)
    assert len(specs) == 2 * 2 * 3 + 2
    assert {spec.method for spec in specs[:-1]} == {"mimiq"}
    assert {spec.eval_images for spec in specs} == {100}
    assert {spec.synthesis.images for spec in specs} == {8}
    crossed = specs[:-2]
    assert {spec.quantization.name for spec in crossed} == {"W4A4", "W3A3"}
    assert {spec.fit.backend for spec in crossed} == {"mse", "lsq-kd"}
    assert {spec.synthesis.mask_ratio for spec in crossed} == {(0.3, 0.3), (0.5, 0.1), (0.4, 0.2)}
    assert (specs[-2].quantization.name, specs[-2].synthesis.source) == ("W8A8", "noise")
    assert (specs[-1].method, specs[-1].fit.backend) == ("maskaq", "minmax")
    assert specs[-1].synthesis.savings == spec_of("maskaq").synthesis.savings


def test_a_written_grid_is_read_as_the_same_runs() -> None:
    hostile = replace(RunSpec(), weights='a "b"\\\n\x00\x7f\t[[runs]]\N{GRINNING FACE}.safetensors')
    for specs in (parse_grid(WHOLE), parse_grid(""), (hostile,), (hostile, RunSpec(seed=9))):
        assert parse_grid(to_toml(specs)) == specs


def test_no_axes_and_no_runs_is_one_run() -> None:
    assert parse_grid("") == (spec_of("maskaq", (4, 4)),)


def test_only_single_runs() -> None:
    specs = parse_grid('seed = 4\n[[runs]]\nbits = "W8A8"\n[[runs]]\nbits = "W3A3"')
    assert [(spec.quantization.name, spec.seed) for spec in specs] == [("W8A8", 4), ("W3A3", 4)]


def test_repeats_are_seeds() -> None:
    specs = parse_grid('seed = 5\nrepeats = 3\n[grid]\nbits = ["W4A4", "W3A3"]')
    assert [spec.seed for spec in specs] == [5, 6, 7] * 2


def test_equal_runs_are_one() -> None:
    assert len(parse_grid('[grid]\nbits = ["W4A4", "w4a4"]\n[[runs]]\nbits = "W4A4"')) == 1


@pytest.mark.parametrize(
    "text, said",
    [
        ("x = [", "not valid TOML"),
        ("[" * 5000, "not valid TOML"),
        ("modle = 'x'", "did you mean 'model'"),
        ("synthesis.stepz = 3", "did you mean 'synthesis.steps'"),
        ("[grid]\nbitz = ['W4A4']", "did you mean 'bits'"),
        ("[grid]\nbits = 'W4A4'", "expected a list"),
        ("[grid]\nseed = []", "expected a list"),
        ("[grid]\nbits = ['W9A4']", "allowed: W2A2 to W8A8"),
        ("[grid]\nbits = [4]", "expected a string"),
        ("method = 3", "method is 3; expected a string"),
        ("method = 'maskq'", "did you mean 'maskaq'"),
        ("source = 'nois'", "did you mean 'noise'"),
        ("synthesis.images = 'many'", "expected int"),
        ("synthesis.images = 0", "allowed: 1 to 100000"),
        ("synthesis.lr = nan", "lr is nan"),
        ("seed = 1979-05-27", "expected int"),
        ("grid = 3", r"\[grid\] is 3"),
        ("runs = 3", "runs is 3"),
        ("runs = [3]", r"\[\[runs\]\] is 3"),
        ("repeats = 0", "repeats is 0"),
        ("repeats = true", "repeats is True"),
        ("repeats = 2\n[grid]\nseed = [1]", "remove the other seeds"),
        (f"[grid]\nseed = {list(range(LIMIT + 1))}", "has 10,001 runs; allowed: 10,000"),
    ],
)
def test_invalid_grids_are_refused_with_the_reason(text: str, said: str) -> None:
    with pytest.raises(OptionError, match=said):
        parse_grid(text)


def test_a_million_runs_are_refused_before_they_are_made() -> None:
    axes = "\n".join(f"{name} = {list(range(1, 101))}" for name in ("seed", "eval_images"))
    began = time.process_time()
    with pytest.raises(OptionError, match=r"has 1,000,000 runs; allowed: 10,000"):
        parse_grid(f"[grid]\n{axes}\nsynthesis.images = {list(range(1, 101))}")
    assert time.process_time() - began < 1


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    path = tmp_path / "grid.toml"
    with pytest.raises(OptionError, match=r"grid.toml cannot be read"):
        read_grid(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(OptionError, match="is not UTF-8"):
        read_grid(path)
    path.write_text("#" * (1 << 20) + "\n")
    with pytest.raises(OptionError, match="more than 1,048,576 bytes"):
        read_grid(path)
    path.write_text("modle = 1")
    with pytest.raises(OptionError, match=r"grid.toml: unknown setting"):
        read_grid(path)
    path.write_text("seed = 3")
    assert read_grid(path) == (RunSpec(**vars(spec_of("maskaq")) | {"seed": 3}),)
