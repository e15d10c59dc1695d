"""What a run needs before it starts: P, the evaluation images, and the calibration split."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from maskaq.config import RunSpec
from maskaq.data.annotations import load_annotated
from maskaq.data.folder import load_images, split_images, subfolder_names
from maskaq.data.scene_sets import scene_set
from maskaq.data.scenes import SPLITS
from maskaq.errors import DataError
from maskaq.models.architectures import BUNDLED
from maskaq.models.loading import LoadedModel, load_model, with_class_names
from maskaq.precomputed import p_answers
from maskaq.synthesis.sources import Calibration
from maskaq.tasks.classification import Answers

_LABELLED = "one folder of images for each class, named by synset or class index"
_ANNOTATED = "images and class maps as in ADE20K, or with boxes as in COCO"


@dataclass(frozen=True, eq=False)
class Data:
    """The images of a run.

    images: uint8 [N,3,S,S], and labels: their truth, [N,..], for evaluation only. calibration:
    returns n labelled images that are not among them, for the source `real`. notes: what was
    decided or left out. names: of the classes, if the model has none.
    """

    images: Tensor
    labels: Tensor
    calibration: Calibration
    notes: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


@dataclass(eq=False)
class RunContext:
    """P and its evaluation images: the same for runs that differ only in Q.

    Passed from run to run it saves loading them, and evaluating P again.

    p_answers: what the judge of a run needs to know about P on the evaluation images, `Answers` in
    classification. They ship with a bundled classifier, else they are those of the first run.
    """

    loaded: LoadedModel
    data: Data
    p_answers: Any = None

    @classmethod
    def of(cls, spec: RunSpec, loaded: LoadedModel | None = None) -> RunContext:
        """Load what a run needs. loaded: P, if it is loaded already.

        Raises:
            MaskaqError: as `load_model` and `load_data`.
        """
        loaded = loaded or load_model(
            spec.model, spec.weights or None, global_pool=spec.global_pool
        )
        if spec.class_names:
            loaded = with_class_names(loaded, spec.class_names)
        data = load_data(spec, loaded)
        return cls(loaded, data, _shipped_answers(spec, len(data.images)))

    @property
    def notes(self) -> tuple[str, ...]:
        """What was decided about the model and the images, or left out."""
        return (*self.loaded.notes, *self.data.notes)


def _shipped_answers(spec: RunSpec, count: int) -> Answers | None:
    """P's answers to the first scenes, if P is a bundled model as it ships."""
    if spec.data or spec.weights:
        return None
    shipped = p_answers.read(BUNDLED[spec.model].checkpoint, count)
    return Answers(*map(torch.from_numpy, shipped)) if shipped else None


def load_data(spec: RunSpec, loaded: LoadedModel) -> Data:
    """Evaluation images of a run: scenes for a bundled model, else the folder `spec.data`.

    Raises:
        DataError: a folder is needed and none is given, or it cannot be used.
    """
    if spec.data:
        return _folder(spec, loaded)
    if spec.model not in BUNDLED:
        form = _ANNOTATED if loaded.dense else _LABELLED
        raise DataError(
            f"{spec.model} needs labelled images to be evaluated on: pass --data FOLDER, with "
            f"{form}."
        )
    count = min(spec.eval_images or len(SPLITS["evaluation"]), len(SPLITS["evaluation"]))

    def calibration(count: int) -> tuple[Tensor, Tensor]:
        return scene_set(loaded.task, "calibration", range(count), seed=spec.seed)

    return Data(*scene_set(loaded.task, "evaluation", range(count)), calibration)


def _folder(spec: RunSpec, loaded: LoadedModel) -> Data:
    needed = spec.synthesis.images if spec.synthesis.source == "real" else 0
    holdout = max(spec.holdout, needed)
    how: dict[str, Any] = {
        "limit": spec.eval_images + holdout if spec.eval_images else 0,
        "seed": spec.seed,
        "skip_unreadable": spec.skip_unreadable,
    }
    names = subfolder_names(spec.data) if loaded.task == "features" else loaded.class_names
    if loaded.dense:
        everything = load_annotated(loaded.task, spec.data, loaded.data_config, names, **how)
    else:
        everything = load_images(
            spec.data,
            loaded.data_config,
            synsets=loaded.synsets,
            classes=len(names),
            names=names,
            **how,
        )
    held_out, evaluation = split_images(everything, holdout, spec.seed)

    def calibration(count: int) -> tuple[Tensor, Tensor]:
        return held_out.images[:count], held_out.labels[:count]

    return Data(evaluation.images, evaluation.labels, calibration, evaluation.notes, names)
