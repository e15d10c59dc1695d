"""A stored run as a file, from the command line to a program that has onnxruntime only."""

import contextlib
import io
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from PIL import Image

import maskaq
from maskaq.cli import main
from maskaq.config import RunSpec
from maskaq.config.presets import spec_of
from maskaq.data.scenes import scenes
from maskaq.export.measure import P_ONNX, P_TORCH
from maskaq.results import manifest, store
from maskaq.runs.execute import execute

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def spec() -> RunSpec:
    base = spec_of("maskaq", (8, 8))
    return replace(
        base,
        synthesis=replace(base.synthesis, source="noise", images=8),
        fit=replace(base.fit, backend="tails"),
        quantization=replace(base.quantization, scheme="integer"),
        eval_images=60,
    )


@pytest.fixture(scope="module")
def folder(spec: RunSpec, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    store.save(execute(spec, progress=False), folder)
    return folder


@pytest.fixture(scope="module")
def made(folder: Path) -> tuple[Path, str]:
    """The file, and what the command printed."""
    path, said = folder.parent / "w8a8.onnx", io.StringIO()
    with contextlib.redirect_stdout(said):
        assert main(["export", str(folder), "--out", str(path), "--target", "avx2"]) == 0
    return path, said.getvalue()


@pytest.fixture
def file(made: tuple[Path, str]) -> Path:
    return made[0]


def test_the_report_says_what_was_checked(made):
    path, said = made
    assert f"w8a8.onnx: {path.stat().st_size / 1e6:.2f} MB" in said
    assert "codes equal to Q's: 1,808,256 of weights" in said
    assert said.count("n = 60 images") == 2
    assert "Q itself, with 1e-4 of noise" in said
    assert "31 MatMulIntegerToFloat, 6 QLinearMatMul" in said
    assert {one.name for one in path.parent.iterdir()} == {"run", "w8a8.onnx"}


def test_the_metadata_is_enough_to_use_it(file, spec):
    found = {one.key: json.loads(one.value) for one in onnx.load(file).metadata_props}
    assert found["maskaq.labels"][0] == "T-shirt"
    assert found["maskaq.preprocessing"]["mean"] == [0.5, 0.5, 0.5]
    assert found["maskaq.preprocessing"]["size"] == [64, 64]
    assert "--scheme integer" in found["maskaq.run"]["command"]
    assert found["maskaq.bits"] == "W8A8"
    assert found["maskaq.target"] == "avx2"
    assert found["maskaq.multiply_adds"]["float"] == 0
    answers = found["maskaq.checked"]["answers"]
    assert answers["top1"][3] == 60
    assert abs(answers["difference"][0]) <= 0.02


def test_the_program_of_the_docs_runs_with_onnxruntime_alone(file, tmp_path):
    (code,) = re.findall(r"```py\n(.*?)```", (ROOT / "docs/deploy.md").read_text(), re.DOTALL)
    p = maskaq.load_model("scenes_vit")
    batch = scenes("evaluation", range(20))
    answers = p.model(p.normalise(batch.images)).argmax(1)
    sure = int((answers == batch.labels).nonzero()[0])
    picture = Image.fromarray(batch.images[sure].permute(1, 2, 0).numpy())
    picture.save(tmp_path / "picture.png")
    (tmp_path / "w8a8.onnx").write_bytes(file.read_bytes())
    code = code.replace("picture.jpg", "picture.png")
    code += "\nimport sys; assert not {'torch', 'maskaq'} & set(sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == p.class_names[batch.labels[sure]]


def test_the_file_is_as_small_as_promised(file):
    p = maskaq.load_model("scenes_vit").model
    assert file.stat().st_size <= 0.28 * 4 * sum(one.numel() for one in p.parameters())


def test_packed_files_are_read_back_bit_for_bit(folder, tmp_path, capsys):
    out = tmp_path / "q.safetensors"
    assert main(["export", str(folder), "--format", "packed", "--out", str(out)]) == 0
    p = maskaq.load_model("scenes_vit")
    images = p.normalise(scenes("evaluation", range(8)).images)
    plain = maskaq.load_q(folder / "q.safetensors", p.model)
    with torch.no_grad():
        assert torch.equal(maskaq.load_q(out, p.model)(images), plain(images))
    assert out.stat().st_size < 0.31 * (folder / "q.safetensors").stat().st_size


@pytest.mark.slow
def test_files_are_measured_beside_p(file, capsys):
    assert main(["benchmark", str(file), "--rounds", "2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    p, twin, q = found["models"]
    assert [p["name"], twin["name"], q["name"]] == [P_ONNX, P_TORCH, "w8a8.onnx"]
    for one in found["models"]:
        assert {timing["batch"] for timing in one["timings"]} == {1, 16}
        assert {1} <= {timing["threads"] for timing in one["timings"]}
        assert all(0 < t["low"] <= t["median"] <= t["high"] for t in one["timings"])
    assert q["size"] < 0.28 * p["size"]
    assert 20 < q["memory"] < 400
    assert q["multiply_adds"]["8x8"] > 1e8
    assert (found["rounds"], found["note"]) == (2, "")


def rewritten(file: Path, path: Path, **changes: object) -> Path:
    """A copy whose metadata about the run differ."""
    made = onnx.load(file)
    (entry,) = [one for one in made.metadata_props if one.key == "maskaq.run"]
    entry.value = json.dumps(json.loads(entry.value) | changes)
    onnx.save(made, path)
    return path


def test_without_its_weights_p_is_not_measured_and_the_reason_is_said(file, tmp_path, capsys):
    path = rewritten(file, tmp_path / "a.onnx", weights=str(tmp_path / "gone.safetensors"))
    assert main(["benchmark", str(path), "--rounds", "1"]) == 0
    said = capsys.readouterr()
    assert "P was not measured: " in said.err
    assert "gone.safetensors" in said.err
    (head, row) = said.out.splitlines()[-2:]
    assert "batch 16, 1 thread" in head
    assert "a.onnx" in row


@pytest.mark.parametrize(
    "words, code, message",
    [
        (["--format", "onx"], 2, "did you mean 'onnx'"),
        (["--target", "avx"], 2, "did you mean 'avx2'"),
        (["--eval-images", "-1"], 2, "--eval-images is -1; allowed: 0 (all) or more"),
        (["--out", "missing/q.onnx"], 2, "allowed: a file in an existing folder"),
    ],
)
def test_bad_options_are_named(folder, tmp_path, capsys, words, code, message):
    out = ["--out", str(tmp_path / "q.onnx")]
    assert main(["export", str(folder), *out, *words]) == code
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_run_with_other_grids_is_refused_with_the_way_out(spec, tmp_path, capsys):
    other = replace(spec, quantization=replace(spec.quantization, scheme="auto"))
    other = replace(other, quantization=replace(other.quantization, activation_bits=4))
    store.save(execute(other, progress=False), tmp_path / "run")
    assert main(["export", str(tmp_path / "run"), "--out", str(tmp_path / "q.onnx")]) == 1
    said = capsys.readouterr().err
    assert "Repeat the run with --scheme integer, or export it with --format packed" in said
    assert not (tmp_path / "q.onnx").exists()


def test_a_run_without_its_q_is_refused(folder, tmp_path, capsys):
    copy = tmp_path / "run"
    copy.mkdir()
    for path in folder.iterdir():
        if path.name not in ("q.safetensors", manifest.NAME):
            (copy / path.name).write_bytes(path.read_bytes())
    manifest.seal(copy)
    assert main(["export", str(copy), "--out", str(tmp_path / "q.onnx")]) == 1
    assert "is stored without its Q; repeat it: python -m maskaq run" in capsys.readouterr().err


def test_files_of_different_models_are_not_compared(file, tmp_path, capsys):
    path = rewritten(file, tmp_path / "a.onnx", weights_sha256="another")
    assert main(["benchmark", str(file), str(path)]) == 1
    assert "belong to different models" in capsys.readouterr().err


def test_answers_do_not_depend_on_the_batch(file):
    from maskaq.export.session import opened

    p = maskaq.load_model("scenes_vit")
    images = p.normalise(scenes("evaluation", range(6)).images)
    model = opened(file)
    single = np.concatenate([model.outputs(images[i : i + 1]) for i in range(6)])
    assert np.allclose(single, model.outputs(images), atol=1e-4)
