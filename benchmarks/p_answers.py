"""The answers of the bundled classifiers to the evaluation scenes, for `precomputed.p_answers`.

    python -m benchmarks.p_answers

Run it again after a bundled model has been trained again.
"""

import json

import numpy as np
import torch
from safetensors.numpy import save_file
from tqdm import tqdm

from maskaq.data.scenes import SPLITS, scenes
from maskaq.evaluation.accuracy import batch_size_for
from maskaq.files import atomic_write, sha256
from maskaq.models import bundled
from maskaq.models.architectures import BUNDLED
from maskaq.models.loading import load_model
from maskaq.precomputed import p_answers
from maskaq.quantization.conversion.freeze import freeze
from maskaq.tasks.classification import Answers


def main() -> None:
    tensors, weights = {}, {}
    for model in (one.name for one in bundled.of_task("classification")):
        found = answers(model, len(SPLITS["evaluation"]))
        for name, values in found._asdict().items():
            tensors[f"{model}.{name}"] = values.numpy().astype(np.uint8)
        weights[model] = sha256(BUNDLED[model].checkpoint)
        print(f"{model}: top-1 {(found.ranks == 0).float().mean():.2%} of {len(found.ranks):,}")
    with atomic_write(p_answers.FILE) as draft:
        save_file(tensors, draft, {"weights": json.dumps(weights)})


@torch.no_grad()
def answers(model: str, count: int) -> Answers:
    """The answers of a bundled model to the first evaluation scenes, in float32."""
    loaded, batch = load_model(model), scenes("evaluation", range(count))
    p, size = freeze(loaded.model), batch_size_for(loaded.model)
    parts = zip(batch.images.split(size), batch.labels.split(size), strict=True)
    return Answers.joined(
        Answers.from_logits(p(loaded.normalise(images)), labels)
        for images, labels in tqdm(parts, desc=model, total=-(-count // size))
    )


if __name__ == "__main__":
    main()
