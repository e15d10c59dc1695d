import json
from collections.abc import Iterable
from pathlib import Path

import pytest
import torch

from maskaq.cli import main, parser
from maskaq.commands.run import spec_from
from maskaq.config import RunSpec
from maskaq.config.overrides import command_of
from maskaq.config.presets import METHODS, spec_of
from maskaq.errors import OptionError
from maskaq.models.loading import load_model
from maskaq.results import store
from tests.support.pictures import write

SMALL = ["--images", "2", "--steps", "1", "--eval-images", "20"]
SMALL += ["--set", "fit.reconstruction.steps=2", "--set", "fit.reconstruction.views=2"]


def parsed(*words: str) -> RunSpec:
    return spec_from(parser().parse_args(["run", *words]))


def test_without_options_the_settings_are_the_methods() -> None:
    assert parsed() == spec_of("maskaq", (4, 4))


@pytest.mark.parametrize("method", list(METHODS))
def test_the_printed_command_repeats_the_run(method: str) -> None:
    words = ["--method", method, "--bits", "W3A5", "--seed", "7", "--mask-ratio", "0.4:0.2"]
    words += ["--source", "noise", "--backend", "minmax", "--images", "9", "--steps", "8"]
    words += ["--eval-images", "30", "--holdout", "5", "--first-last", "target"]
    words += ["--precision", "float32", "--weights", "a b.pt", "--data", "x/y"]
    words += ["--class-names", "c d.txt", "--skip-unreadable"]
    words += ["--parametrisation", "pixels", "--device", "cuda:1", "--model", "deit_tiny"]
    words += ["--global-pool", "avg"]
    words += ["--set", "synthesis.coefficients.tv=5e-6", "--set", "fit.refresh=3"]
    words += ["--set", "quantization.gelu=uniform"]
    spec = parsed(*words)
    assert spec != parsed("--method", method)
    import shlex

    again = shlex.split(command_of(spec))
    assert again[:4] == ["python", "-m", "maskaq", "run"]
    assert parsed(*again[4:]) == spec


@pytest.mark.parametrize(
    "text, message",
    [
        ("fit.refresh", "expected NAME=VALUE"),
        ("fit.refesh=3", "did you mean 'fit.refresh'"),
        ("fit=3", "unknown setting 'fit'"),
        ("fit.refresh=often", "expected int"),
        ("fit.refresh=-1", "0 to 10000"),
    ],
)
def test_a_bad_setting_is_refused(text: str, message: str) -> None:
    with pytest.raises(OptionError, match=message):
        parsed("--set", text)


def test_run_writes_a_folder_and_prints_a_table(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert main(["run", *SMALL, "--out", str(out)]) == 0
    printed = capsys.readouterr()
    assert "Q (W4A4)" in printed.out
    assert "synthesis" in printed.err
    assert {path.name for path in out.iterdir()} == {
        "command.txt",
        "curves.parquet",
        "evidence.safetensors",
        "frames.webp",
        "log.txt",
        "manifest.json",
        "q.safetensors",
        "result.json",
        "samples.png",
        "samples.safetensors",
    }
    assert main(["runs", "show", str(out)]) == 0
    assert capsys.readouterr().out.strip() in printed.out


def test_json_is_one_object_with_the_documented_keys(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", *SMALL, "--bits", "W8A8", "--source", "noise", "--json"]) == 0
    values = json.loads(capsys.readouterr().out)
    assert values["spec"]["quantization"]["weight_bits"] == 8
    for model in ("fp", "q"):
        assert {"top1", "top1_low", "top1_high", "top5"} <= set(values[model])
    assert {"synthesis", "fit", "evaluation", "total"} <= set(values["seconds"])
    assert values["evaluated"] == 20
    assert 0 <= values["agreement"] <= 1
    assert {"peak_memory_mb", "device", "versions"} <= set(values)


def test_what_was_decided_about_weights_is_said_beside_the_result(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = load_model("scenes_vit").model.state_dict()
    torch.save({"net": {f"module.{key}": v.half() for key, v in state.items()}}, tmp_path / "w.pt")
    words = ["run", *SMALL, "--source", "noise", "--weights", str(tmp_path / "w.pt"), "--json"]
    assert main(words) == 0
    printed = capsys.readouterr()
    assert [line for line in printed.err.splitlines() if line.startswith("note: ")] == [
        "note: took the weights in `net`",
        "note: removed the prefix `module.`",
        "note: the weights are float16, and computed with in float32",
    ]
    assert json.loads(printed.out)["evaluated"] == 20


@pytest.mark.parametrize(
    "words, message",
    [
        (["--bits", "W9A4"], "bits are 'W9A4'; allowed: W2A2 to W8A8"),
        (["--method", "maskq"], "did you mean 'maskaq'"),
        (["--source", "nois"], "unknown source 'nois'; did you mean 'noise'"),
        (["--backend", "mes"], "unknown back-end 'mes'; did you mean 'mse'"),
        (["--mask-ratio", "0.5:2"], "mask ratio is '0.5:2'"),
        (["--images", "0"], "images is 0; allowed: 1 to 100000"),
        (["--first-last", "7"], "unknown first/last layers '7'"),
        (["--device", "tpu"], "device is 'tpu'; allowed: cpu, cuda, cuda:N, mps"),
        (["--precision", "half"], "unknown precision 'half'"),
        (["--seed", "-1"], "seed is -1"),
        (["--global-pool", "mean"], "unknown global_pool 'mean'"),
        (
            ["--global-pool", "avg"],
            "that of scenes_vit is fixed; leave it out",
        ),
    ],
)
def test_a_bad_value_is_one_clear_line_and_exit_code_2(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", *words]) == 2
    check_error(message, capsys)


@pytest.mark.parametrize(
    "words, message",
    [
        (["--model", "scenes_vitt"], "scenes_vit"),
        (["--weights", "/does/not/exist.pt"], "/does/not/exist.pt"),
        (["--data", "/does/not/exist"], "/does/not/exist is not a folder"),
    ],
)
def test_files_that_cannot_be_used_are_exit_code_1(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", *words]) == 1
    check_error(message, capsys)


def test_an_unknown_option_is_exit_code_2() -> None:
    with pytest.raises(SystemExit) as exit:
        main(["run", "--colour", "red"])
    assert exit.value.code == 2


def check_error(message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Standard error has one line with the message, standard output nothing."""
    printed = capsys.readouterr()
    assert printed.out == ""
    assert message in printed.err
    assert printed.err.count("\n") == 1
    assert printed.err.startswith("error: ")


def test_a_folder_with_other_files_is_refused_before_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    assert main(["run", "--out", str(tmp_path)]) == 1
    printed = capsys.readouterr()
    assert "contains files that are not a run" in printed.err
    assert "synthesis" not in printed.err


def test_lists_name_all_registered_entries(capsys: pytest.CaptureFixture[str]) -> None:
    from maskaq.quantization.backends import BACKENDS
    from maskaq.synthesis.sources import SOURCES

    assert main(["methods"]) == 0
    lines = capsys.readouterr().out.splitlines()
    listed = {line.split()[1] for line in lines if not line.startswith(" ")}
    assert listed == {*METHODS, *SOURCES, *BACKENDS}
    assert main(["models"]) == 0
    printed = capsys.readouterr().out
    assert "scenes_vit" in printed
    assert "deit_tiny_patch16_224" in printed


def test_the_library_refuses_an_unknown_method() -> None:
    with pytest.raises(OptionError, match="did you mean 'mimiq'"):
        spec_of("mimic")


def images_of(folder: Path, names: Iterable[str]) -> str:
    for number, name in enumerate(names):
        write(folder / name / "a.png", 20 * number)
    return str(folder)


QUICK = ["--bits", "W8A8", "--source", "noise", "--backend", "minmax", "--images", "2", "--json"]


def test_what_is_left_out_is_printed_and_stored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = images_of(tmp_path / "data", "012")
    write(tmp_path / "data" / "0" / ".ipynb_checkpoints" / "a.png")
    (tmp_path / "data" / "1" / "b.png").write_bytes(b"damaged")
    words = ["run", *QUICK, "--data", data]
    assert main(words) == 1
    check_error("1/b.png cannot be read as an image", capsys)
    out = tmp_path / "run"
    assert main([*words, "--skip-unreadable", "--out", str(out)]) == 0
    printed = capsys.readouterr()
    notes = [
        "left out 1 image in hidden folders and folders that programs make (.ipynb_checkpoints)",
        "left out 1 unreadable image: 1/b.png",
    ]
    for note in notes:
        assert printed.err.count(f"note: {note}\n") == 1
    values = json.loads(printed.out)
    assert (values["notes"], values["evaluated"]) == (notes, 3)
    assert "--skip-unreadable" in (out / "command.txt").read_text()
    assert main(["runs", "show", str(out)]) == 0
    assert f"note: {notes[1]}\n" in capsys.readouterr().out


def test_a_list_of_class_names_names_folders_and_classes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["cat", "dog", "bird", "cow", "fish", "horse", "lamb", "mouse", "owl", "pig"]
    data = images_of(tmp_path / "data", sorted(names))
    assert main(["run", *QUICK, "--data", data]) == 1
    check_error("If they are class names, pass --class-names FILE with one name a line.", capsys)
    (tmp_path / "names.txt").write_text("\n".join(names))
    out = tmp_path / "run"
    words = ["--data", data, "--class-names", str(tmp_path / "names.txt"), "--out", str(out)]
    assert main(["run", *QUICK, *words]) == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["evaluated"] == 10
    assert "note:" not in printed.err
    evidence = store.read(out).evidence
    assert evidence is not None
    assert list(evidence.classes) == names
    assert evidence.labels.tolist() == list(range(10))
    (tmp_path / "names.txt").write_text("\n".join(names[:9]))
    assert main(["run", *QUICK, *words[:4]]) == 1
    check_error("has 9 class names, but the model has 10", capsys)
