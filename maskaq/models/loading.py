"""Load P by name, with the preprocessing and class names that belong to its weights."""

import re
from collections.abc import Sequence
from dataclasses import replace
from multiprocessing import parent_process
from pathlib import Path
from typing import Any

import timm
from timm.data import ImageNetInfo, infer_imagenet_subset, resolve_model_data_config
from torch import nn
from tqdm import tqdm

from maskaq.config.options import require_one_of
from maskaq.config.run_spec import POOLINGS
from maskaq.data.class_list import read_class_list
from maskaq.errors import ModelError, OptionError, WeightsError
from maskaq.models import download
from maskaq.models.architectures import BUNDLED, build, check_name, hub_file
from maskaq.models.backbone import fuse_biases, tokens_of
from maskaq.models.dense_transformers import load_dense
from maskaq.models.loaded import LoadedModel
from maskaq.models.menu import transformers_place
from maskaq.models.weights import Fitted, first_line, fitted, read_weights

__all__ = ["LoadedModel", "load_model", "with_class_names"]

_IMAGENET_TAG = re.compile(r"\..*in1k")
_FEATURES = (
    "the model outputs features, not classes: images are made without labels, and Q is judged by "
    "the nearest neighbours of images and the cosine of features"
)
_QUIET = 2.0  # seconds of a download without a progress bar


def load_model(
    name: str,
    weights: str | Path | None = None,
    class_names: Sequence[str] | None = None,
    *,
    global_pool: str = "",
) -> LoadedModel:
    """Load a bundled model, or a supported backbone of timm.

    Args:
        name: `scenes_vit` or a timm name, such as `deit_tiny_patch16_224`; or `transformers:` with
            a folder or a repository of the model hub, for segmentation and detection.
        weights: a safetensors or PyTorch file, the index of one in several files, or a folder; it
            sets the number of classes and the image size. None or "" loads the bundled or
            pretrained weights.
        class_names: one per class; None takes the bundled or ImageNet's names, where they fit.
        global_pool: `"token"` or `"avg"`, the pooling of weights that do not tell theirs.

    Raises:
        ModelError: unknown or unsupported name, or no pretrained weights are available.
        WeightsError: the file cannot be read or does not fit.
        OptionError: wrong number of class names, or a pooling that does not suit the model.
    """
    if transformers_place(name):
        return _of_transformers(name, weights, class_names, global_pool)
    check_name(name)
    given, classes = _fitted(name, weights, global_pool)
    model = fuse_biases(given.model).eval().requires_grad_(False)
    names, synsets = _classes(name, classes, class_names)
    tokens, config = tokens_of(model), given.data_config
    # A file may have a head for any classes; a tag such as `.augreg_in21k_ft_in1k` names its own.
    assumed = weights and synsets and not _IMAGENET_TAG.search(name)
    notes = [*given.notes]
    if assumed:
        notes.append(_assumed_imagenet(len(synsets)))
    if not names:
        notes.append(_FEATURES)
    prefix, own = tokens.prefix, tuple(notes)
    task = BUNDLED[name].task if name in BUNDLED else "classification" if names else "features"
    return LoadedModel(name, model, config, names, tokens.grid, prefix, synsets, own, task)


def _of_transformers(
    name: str, weights: str | Path | None, class_names: Sequence[str] | None, global_pool: str
) -> LoadedModel:
    if weights or global_pool:
        raise OptionError(
            f"{name} comes with its weights and its pooling; leave out --weights and --global-pool."
        )
    return replace(load_dense(transformers_place(name), class_names=class_names), name=name)


def with_class_names(loaded: LoadedModel, path: str | Path) -> LoadedModel:
    """The same model with the class names of a file, see `read_class_list`.

    Raises:
        DataError: as `read_class_list`.
    """
    listed = read_class_list(path, len(loaded.class_names))
    assumed = _assumed_imagenet(len(loaded.class_names))
    notes = (*(note for note in loaded.notes if note != assumed), *listed.notes)
    return replace(loaded, class_names=listed.names, synsets=listed.synsets, notes=notes)


def _assumed_imagenet(classes: int) -> str:
    return (
        f"the {classes:,} classes of the weights file are taken to be ImageNet's, because of their "
        "number; if they are others, pass --class-names FILE"
    )


def _fitted(name: str, weights: str | Path | None, global_pool: str) -> tuple[Fitted, int]:
    """The model with the given, the bundled or timm's pretrained weights, and its classes."""
    require_one_of("global_pool", global_pool, POOLINGS)
    if weights or name in BUNDLED:
        given = fitted(name, read_weights(_path(name, weights)), global_pool)
        return given, int(getattr(given.model, "num_classes", 0))
    if global_pool:
        raise OptionError(
            f"global_pool is {global_pool!r}, but the pretrained weights of {name} come with their "
            "pooling; leave it out, or pass --weights FILE."
        )
    model = _pretrained(name)
    known = infer_imagenet_subset(getattr(model, "pretrained_cfg", {}))
    classes = int(getattr(model, "num_classes", 0)) if known else 0  # else features, as CLIP's
    return Fitted(model, resolve_model_data_config(model)), classes


def _path(name: str, weights: str | Path | None) -> Path:
    path = Path(weights) if weights else BUNDLED[name].checkpoint
    if not weights and not path.is_file():
        raise ModelError(
            f"the checkpoint of {name} is missing at {path}; reinstall maskaq, or train it with "
            "`python -m maskaq.models.train`."
        )
    return path


def _pretrained(name: str) -> nn.Module:
    """A timm model with timm's pretrained weights, from the local cache or the network."""
    config: Any = build(name).pretrained_cfg
    option = f"`--model {name} --weights FILE` (safetensors, or a PyTorch state dict)"
    repository, file = hub_file(config)
    if not repository:
        raise ModelError(f"timm has no pretrained weights for {name}; pass {option}.")
    weights = download.HubFile(name, repository, file)
    path = download.cached(weights) or _fetch(weights)
    overlay = {"file": str(path), "custom_load": False}
    try:
        model: nn.Module = timm.create_model(name, pretrained=True, pretrained_cfg_overlay=overlay)
    except Exception as error:  # safetensors and torch raise many types on damaged files
        raise WeightsError(
            f"{path} is damaged ({type(error).__name__}: {first_line(error)}); delete it, so that "
            "it is downloaded again."
        ) from error
    return model


def _fetch(weights: download.HubFile) -> Path:
    """Download the weights, with a progress bar if that takes long, except in a worker."""
    worker = parent_process() is not None
    name = f"Downloading {weights.model}"
    with tqdm(
        desc=name, unit="B", unit_scale=True, delay=_QUIET, leave=False, disable=worker
    ) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        return download.fetch(weights, show)


def _classes(
    name: str, count: int, given: Sequence[str] | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Class names, and synsets if the classes are ImageNet's."""
    if given is not None:
        if len(given) != count:
            raise OptionError(f"{len(given)} class names for {count} classes of {name}.")
        return tuple(given), ()
    if name in BUNDLED:
        return BUNDLED[name].class_names, ()
    subset = infer_imagenet_subset({"num_classes": count})
    if subset is None:
        return tuple(f"class {index}" for index in range(count)), ()
    info = ImageNetInfo(subset)
    return tuple(info.label_descriptions()), tuple(info.label_names())
