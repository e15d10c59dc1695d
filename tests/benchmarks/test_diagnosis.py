import shutil
from dataclasses import replace

import pytest
import torch

from benchmarks import diagnosis
from maskaq.config import RunSpec
from maskaq.data.scenes import scenes
from maskaq.errors import RunError
from maskaq.evaluation.activation_shift_table import STATISTICS, factors
from maskaq.results import activation_shift, store
from maskaq.ui.state.stored_runs import EXAMPLES
from tests.support import stored


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """Use sixteen real images."""
    monkeypatch.setattr(diagnosis, "REAL", 16)
    diagnosis.real_statistics.cache_clear()
    yield
    diagnosis.real_statistics.cache_clear()


@pytest.fixture
def folders(tmp_path):
    made = []
    for source in ("noise", "real"):
        made.append(tmp_path / source)
        stored_run = EXAMPLES / f"scenes_vit_W4A4_{source}_reconstruct_0"
        shutil.copytree(stored_run, made[-1])
        stored.without(made[-1], activation_shift.FILE)
    return made


def test_a_diagnosis_is_written_into_the_folder_of_the_run(folders, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["diagnosis", *map(str, folders)])
    diagnosis.main()
    assert "| noise | 32 | 16 | x1." in capsys.readouterr().out
    noise, real = (activation_shift.read(folder, store.read(folder).result) for folder in folders)
    assert set(noise.table["statistic"]) == set(STATISTICS)
    for statistic in STATISTICS:
        assert factors(noise.table)[statistic] > factors(real.table)[statistic]
    assert str(folders[0]) in noise.command
    assert (noise.samples, noise.real) == (32, 16)


def test_real_images_are_not_evaluation_images(monkeypatch):
    seen = []
    real = diagnosis.statistics
    monkeypatch.setattr(
        diagnosis, "statistics", lambda p, images: seen.append(images) or real(p, images)
    )
    diagnosis.real_statistics(RunSpec(eval_images=1))
    loaded = diagnosis.model("scenes_vit", "")
    expected = loaded.normalise(scenes("calibration", range(16)).images)
    assert torch.equal(seen[0], expected)


def test_runs_on_the_same_real_images_share_them():
    base = RunSpec()
    assert diagnosis.real_images(replace(base, seed=5, eval_images=7)) == diagnosis.real_images(
        base
    )
    photographs = replace(base, data="folder", holdout=8)
    assert diagnosis.real_images(replace(photographs, seed=5)) != diagnosis.real_images(photographs)


def test_a_run_without_samples_cannot_be_diagnosed(tmp_path):
    stored.write(tmp_path / "run")
    stored.without(tmp_path / "run", "samples.safetensors")
    with pytest.raises(RunError, match="without its samples"):
        diagnosis.diagnose_run(store.read(tmp_path / "run"))
