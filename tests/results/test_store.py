import json
from pathlib import Path

import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from maskaq.data.scenes import scenes
from maskaq.errors import RunError
from maskaq.models.loading import load_model
from maskaq.quantization.storage import load_q
from maskaq.results import store
from maskaq.results.comparison import table
from maskaq.results.result import Finished, RunResult


def test_a_saved_run_is_read_unchanged(small_run: Finished, tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "run"
    store.save(small_run, folder)
    stored = store.read(folder)
    assert stored.result == small_run.result
    pd.testing.assert_frame_equal(stored.curves, small_run.curves)
    samples = load_file(folder / "samples.safetensors")
    assert torch.equal(samples["images"], small_run.samples.images)
    assert torch.equal(samples["labels"], small_run.samples.labels)
    assert stored.sheet.size[0] >= 2 * 64
    with Image.open(folder / "samples.png") as picture:
        assert picture.size == stored.sheet.size
    p = load_model("scenes_vit")
    inputs = p.normalise(scenes("evaluation", range(3)).images)
    assert torch.equal(load_q(folder / "q.safetensors", p.model)(inputs), small_run.q(inputs))
    assert (folder / "command.txt").read_text().startswith("python -m maskaq run --model")
    assert [path.name for path in folder.parent.iterdir()] == ["run"]


def test_a_second_save_replaces_the_first(small_run: Finished, tmp_path: Path) -> None:
    for _ in range(2):
        store.save(small_run, tmp_path / "run")
    assert store.read(tmp_path / "run").result == small_run.result


def test_a_failed_save_leaves_no_files(
    small_run: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_parquet", full)
    with pytest.raises(RunError, match="No space left on device"):
        store.save(small_run, tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_other_files_are_not_overwritten(small_run: Finished, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(RunError, match="contains files that are not a run"):
        store.save(small_run, tmp_path)
    with pytest.raises(RunError, match="is a file"):
        store.save(small_run, tmp_path / "thesis.txt")
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_a_missing_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is not a folder"):
        store.read(tmp_path / "nowhere")


def damaged(result: RunResult, **changes: object) -> str:
    return json.dumps(json.loads(result.to_json()) | changes)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"schema": 99}, "has schema 99, this maskaq reads up to 1"),
        ({"fp": {"top1": 1}}, "cannot be read"),
        ({"spec": {"modle": "x"}}, "did you mean 'model'"),
        ({"surprise": 1}, "cannot be read"),
    ],
)
def test_an_invalid_result_is_refused(
    small_run: Finished, changes: dict[str, object], message: str
) -> None:
    with pytest.raises(RunError, match=message):
        RunResult.from_json(damaged(small_run.result, **changes))


def test_a_run_stored_before_tune_existed_had_no_tune_steps(small_run: Finished) -> None:
    values = json.loads(small_run.result.to_json())
    del values["spec"]["fit"]["reconstruction"]["tune"]
    assert RunResult.from_json(json.dumps(values)).spec.fit.reconstruction.tune == 0


def test_the_table_states_what_was_measured(small_run: Finished) -> None:
    text = table(small_run.result)
    assert f"{small_run.result.q.top1:.2%}" in text
    assert "n = 150 images" in text
    assert "simulated" in text
    assert "repeat: python -m maskaq run --model scenes_vit --bits W4A4" in text
