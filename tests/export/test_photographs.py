"""A pretrained model becomes a file, and a program without torch classifies photographs with it."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from maskaq.cli import main
from maskaq.config.presets import spec_of
from maskaq.data.folder.images import load_images
from maskaq.models.loading import LoadedModel
from maskaq.results import store
from maskaq.runs.execute import execute

pytestmark = pytest.mark.slow
COUNT = 6
PROGRAM = """
import json, sys
import numpy as np, onnxruntime
from PIL import Image

session = onnxruntime.InferenceSession(sys.argv[1])
about = session.get_modelmeta().custom_metadata_map
labels, how = json.loads(about["maskaq.labels"]), json.loads(about["maskaq.preprocessing"])
height, width = how["size"]
answers = []
for file in sys.argv[2:]:
    picture = Image.open(file).convert("RGB")
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    picture = picture.crop((left, top, left + side, top + side)).resize((width, height), 3)
    inputs = (np.asarray(picture, np.float32) / 255 - how["mean"]) / how["std"]
    inputs = inputs.transpose(2, 0, 1)[None].astype(np.float32)
    answers.append(labels[session.run(None, {"images": inputs})[0].argmax()])
assert not {"torch", "maskaq"} & set(sys.modules)
print(json.dumps(answers))
"""


def test_a_photograph_is_classified_with_onnxruntime_alone(
    shared: Path, vit_tiny: LoadedModel, tmp_path: Path
) -> None:
    data = shared / "data" / "imagenet_sample"
    spec = spec_of("maskaq", (8, 8))
    spec = replace(
        spec,
        model=vit_tiny.name,
        weights=str(shared / "models" / "vit_tiny_patch16_224.safetensors"),
        data=str(data),
        synthesis=replace(spec.synthesis, source="real", images=4),
        fit=replace(spec.fit, backend="tails"),
        quantization=replace(spec.quantization, scheme="integer"),
        eval_images=10,
        holdout=4,
    )
    store.save(execute(spec, progress=False), tmp_path / "run")
    file = tmp_path / "q.onnx"
    assert main(["export", str(tmp_path / "run"), "--out", str(file)]) == 0
    assert file.stat().st_size <= 0.28 * 4 * sum(p.numel() for p in vit_tiny.model.parameters())

    photographs = load_images(data, vit_tiny.data_config, synsets=vit_tiny.synsets, limit=COUNT)
    with torch.inference_mode():
        logits = vit_tiny.model(vit_tiny.normalise(photographs.images))  # [N,1000]
    names = [vit_tiny.class_names[one] for one in logits.argmax(1)]
    sure = logits.softmax(1).amax(1) > 0.5
    words = [sys.executable, "-c", PROGRAM, str(file), *map(str, photographs.paths)]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    answers = json.loads(done.stdout)
    assert sure.sum() >= 3
    assert [a for a, s in zip(answers, sure, strict=True) if s] == [
        n for n, s in zip(names, sure, strict=True) if s
    ]
