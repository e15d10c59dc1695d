"""The page Deploy: what files save and cost, and a file of a run."""

from dataclasses import replace
from pathlib import Path

import pytest

from maskaq.config.presets import spec_of
from maskaq.precomputed import deployment
from maskaq.results import manifest
from maskaq.ui.state import pages, stored_runs
from tests.support import deployments, stored

PAGE = pages.DEPLOY


@pytest.fixture(autouse=True)
def measured(tmp_path: Path, monkeypatch) -> Path:
    path = tmp_path / "deployment.json"
    deployment.write([deployments.deployment()], path)
    monkeypatch.setattr(deployment, "FILE", path)
    return path


@pytest.fixture
def integer_run(workplace: Path) -> Path:
    """A shipped run with its Q, whose arithmetic is integer."""
    spec = spec_of("maskaq", (8, 8))
    folder = stored_runs.EXAMPLES.with_name("integer") / "run"
    stored.write(folder, replace(spec, quantization=replace(spec.quantization, scheme="integer")))
    (folder / "q.safetensors").write_bytes(b"x")
    manifest.seal(folder)
    return folder


def test_it_says_what_files_save_and_on_which_machine(open_page, text):
    said = text(open_page(PAGE))
    assert "W8A8 is 4.0 times smaller and 2.00 times as fast" in said
    assert "W4A8 is 8.0 times smaller and 0.80 times as fast, which is slower" in said
    assert "Some CPU (avx2)" in said
    assert "**Simulated** models" in said
    assert "The default scheme gets 82.0 % at W3A3 (integer: 80.0 %)" in said


def test_another_batch_is_one_click_away(open_page, text):
    app = open_page(PAGE, timed="16 images, 1 thread")
    assert not app.exception
    assert app.session_state["timed"] == "16 images, 1 thread"


def test_a_model_is_opened(open_page, text):
    app = open_page(PAGE)
    app.selectbox(key="deployed").select("W8A8").run()
    said = text(app)
    assert "-0.10 points (-0.30 to +0.10)" in said
    assert "Same answer as Q for 99.0%" in said
    assert "60 MB" in said
    assert "python -m maskaq run 8" in [one.value for one in app.code]
    (link,) = [one for one in app.get("page_link") if one.proto.label == "Open its run"]
    assert "weight_bits=8" in link.proto.query_string
    assert "scheme=integer" in link.proto.query_string


def test_without_a_run_that_has_its_q_the_way_is_named(open_page, text):
    assert "with the scheme *integer* among More settings" in text(open_page(PAGE))


def test_the_lines_that_run_a_file_are_shown(open_page, text, integer_run):
    app = open_page(PAGE)
    assert app.selectbox(key="export_run").options == ["W8A8 integer maskaq, reconstruct"]
    (code,) = [one.value for one in app.code]
    assert 'InferenceSession("maskaq-scenes_vit-W8A8.onnx")' in code
    assert "(1, 3, 64, 64)" in code
    assert [button.label for button in app.button if button.key == "compute_export"] == [
        "Make the file"
    ]
    app.selectbox(key="export_format").select("Packed, for maskaq.load_q").run()
    (code,) = [one.value for one in app.code]
    assert "maskaq.load_q" in code


def test_an_integer_run_stays_out_of_the_other_pages(open_page, integer_run):
    assert [run.folder.name for run in stored_runs.presets()] == ["a"]
    spec = stored_runs.read(integer_run).result.spec
    assert stored_runs.find(spec).folder == integer_run
    plain = replace(spec, quantization=replace(spec.quantization, scheme="auto"))
    assert stored_runs.find(plain) is None


def test_other_models_are_told_what_is_measured(open_page, text):
    app = open_page(PAGE, model="vit_tiny_patch16_224")
    assert "No files of vit_tiny_patch16_224 are measured" in text(app)
    assert [button.label for button in app.button if "offer" in str(button.key)] == ["scenes_vit"]


def test_nothing_measured_yet(open_page, measured):
    measured.unlink()
    app = open_page(PAGE)
    assert not app.exception
    assert deployment.COMMAND in [one.value for one in app.code]


def test_a_damaged_file_is_said(open_page, measured):
    measured.write_text("[")
    app = open_page(PAGE)
    assert not app.exception
    assert "benchmarks.deployment" in app.error[0].value
