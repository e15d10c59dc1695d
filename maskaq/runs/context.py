"""The images a run is judged on, and the disjoint ones the `real` source may draw from."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from maskaq.config import RunSpec
from maskaq.data.folder import load_images, split_images
from maskaq.data.scenes import SPLITS, scenes
from maskaq.errors import DataError
from maskaq.evaluation.accuracy import Evaluation
from maskaq.models.architectures import BUNDLED
from maskaq.models.loading import LoadedModel, load_model
from maskaq.synthesis.sources import Calibration


@dataclass(frozen=True, eq=False)
class Data:
    """images: uint8 [N,3,S,S], labels: int64 [N], for evaluation only. calibration: gives n
    labelled images that are not among them."""

    images: Tensor
    labels: Tensor
    calibration: Calibration


@dataclass(eq=False)
class Ground:
    """P and the images it is judged on: the same for runs that differ in nothing but Q.

    Handed from run to run it saves loading them, and all but the first run P's evaluation.

    evaluation: of the first run, for what it says about P.
    """

    loaded: LoadedModel
    data: Data
    evaluation: Evaluation | None = None

    @classmethod
    def of(cls, spec: RunSpec) -> Ground:
        """Load what a run needs.

        Raises:
            MaskaqError: as `load_model` and `load_data`.
        """
        loaded = load_model(spec.model, spec.weights or None)
        return cls(loaded, load_data(spec, loaded))


def load_data(spec: RunSpec, loaded: LoadedModel) -> Data:
    """Evaluation images of a run: scenes for a bundled model, else the folder `spec.data`.

    Raises:
        DataError: no folder is given where one is needed, or it cannot be used.
    """
    if spec.data:
        return _folder(spec, loaded)
    if spec.model not in BUNDLED:
        raise DataError(
            f"{spec.model} needs labelled images to be judged on: pass --data FOLDER, with one "
            "folder of images for each class, named by synset or class index."
        )
    count = min(spec.eval_images or len(SPLITS["evaluation"]), len(SPLITS["evaluation"]))
    batch = scenes("evaluation", range(count))

    def calibration(wanted: int) -> tuple[Tensor, Tensor]:
        chosen = scenes("calibration", range(wanted), seed=spec.seed)
        return chosen.images, chosen.labels

    return Data(batch.images, batch.labels, calibration)


def _folder(spec: RunSpec, loaded: LoadedModel) -> Data:
    needed = spec.synthesis.images if spec.synthesis.source == "real" else 0
    holdout = max(spec.holdout, needed)
    everything = load_images(
        spec.data,
        loaded.data_config,
        synsets=loaded.synsets,
        classes=len(loaded.class_names),
        limit=spec.eval_images + holdout if spec.eval_images else 0,
        seed=spec.seed,
    )
    aside, judged = split_images(everything, holdout, spec.seed)

    def calibration(wanted: int) -> tuple[Tensor, Tensor]:
        return aside.images[:wanted], aside.labels[:wanted]

    return Data(judged.images, judged.labels, calibration)
