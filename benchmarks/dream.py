"""The dream that the playground shows before the visitor has painted anything.

    python -m benchmarks.dream

The painting is `SHAPES`; the pictures come from the same function as those of a visitor's painting.
"""

from datetime import UTC, datetime

import numpy as np

from benchmarks.dense import save
from maskaq.files import sha256
from maskaq.models.architectures import BUNDLED
from maskaq.models.loading import load_model
from maskaq.precomputed.dense import MODELS
from maskaq.precomputed.dream import FILE
from maskaq.queries.dream import dream
from maskaq.runs.environment import describe, working_precision

CELLS = 32
# Class, and its rows and columns: a bag above an ankle boot with its shaft on the left.
SHAPES = {"Bag": [(3, 12, 17, 29)], "Ankle boot": [(16, 29, 3, 11), (22, 29, 3, 20)]}
SEED = 0


def main() -> None:
    loaded = load_model(MODELS["segmentation"])
    names = list(loaded.class_names)
    painting = np.full((CELLS, CELLS), len(names) - 1, np.uint8)
    for name, parts in SHAPES.items():
        for top, bottom, left, right in parts:
            painting[top:bottom, left:right] = names.index(name)
    about = {
        "model": loaded.name,
        "weights": sha256(BUNDLED[loaded.name].checkpoint),
        "classes": names,
        "seed": SEED,
        "device": describe("cpu", working_precision("auto", "cpu")),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    save(FILE, {"painting": painting} | dream(loaded.name, "", painting, SEED), about)


if __name__ == "__main__":
    main()
