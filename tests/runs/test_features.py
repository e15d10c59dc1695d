"""A whole run of a model without a classifier."""

from dataclasses import replace
from pathlib import Path

import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import save_file

from maskaq.config.presets import spec_of
from maskaq.results import store
from maskaq.results.comparison import table
from maskaq.results.result import RunResult
from maskaq.runs.execute import execute


@pytest.mark.parametrize("backend", ["reconstruct", "lsq-kd"])
def test_a_run_needs_no_classes(tmp_path: Path, backend: str) -> None:
    torch.manual_seed(0)
    model = timm.create_model("test_vit", num_classes=0)
    save_file(model.state_dict(), tmp_path / "weights.safetensors")
    for number, name in enumerate(("cat", "dog", "cat", "owl")):
        (tmp_path / "images" / name).mkdir(parents=True, exist_ok=True)
        pixels = torch.randint(256, (9, 9, 3), dtype=torch.uint8).numpy()
        Image.fromarray(pixels).resize((40, 40)).save(tmp_path / "images" / name / f"{number}.png")
    spec = spec_of("maskaq")
    learning = replace(spec.fit.reconstruction, steps=2, tune=2, views=2)
    spec = replace(
        spec,
        model="test_vit",
        weights=str(tmp_path / "weights.safetensors"),
        data=str(tmp_path / "images"),
        synthesis=replace(spec.synthesis, images=4, steps=3),
        fit=replace(spec.fit, backend=backend, epochs=1, reconstruction=learning),
    )
    finished = execute(spec)
    result = finished.result
    assert "the model outputs features, not classes" in " ".join(result.notes)
    assert result.cosine is not None
    assert 0 < result.cosine[0] < 1
    assert result.float_share == 0
    assert finished.evidence.classes == ("cat", "dog", "owl")
    assert "one_hot" not in finished.curves.columns
    assert "cosine of the features" in table(result)
    assert RunResult.from_json(result.to_json()) == result
    store.save(finished, tmp_path / "run")
    assert store.read(tmp_path / "run").result == result
