"""Load a dense model of transformers as P."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from maskaq.errors import ModelError, OptionError, WeightsError, some
from maskaq.models.backbone import mark_attention, tokens_of
from maskaq.models.dense_transformers import folder as files
from maskaq.models.dense_transformers import library
from maskaq.models.dense_transformers.families import SPARE, Family, family_of
from maskaq.models.dense_transformers.hub import folder_of
from maskaq.models.dense_transformers.preprocessing import preprocessing
from maskaq.models.dense_transformers.tokens import ARRANGEMENTS, Arrangement
from maskaq.models.dense_transformers.wrappers import WRAPPERS, DenseModel, PatchGrid
from maskaq.models.loaded import LoadedModel
from maskaq.models.structure import structure_of
from maskaq.models.weights import first_line

# What config.json may say about other code, files and formats, which are not used here.
_NOT_READ = ("auto_map", "backbone", "quantization_config", "transformers_weights", "fusion_config")
_UNNAMED = "config.json does not name the classes"


def load_dense(
    name: str | Path,
    *,
    size: int | Sequence[int] | None = None,
    class_names: Sequence[str] | None = None,
) -> LoadedModel:
    """Load a model of transformers for segmentation or detection.

    Args:
        name: a folder with config.json and weights, as `save_pretrained` writes it, or a repository
            of the model hub.
        size: height and width of the images in pixels, or one number for both; None takes those of
            preprocessor_config.json or config.json.
        class_names: one per class; None takes those of config.json (id2label).

    Returns:
        P. Its outputs are logits [B,K,h,w] or proposals [B,N,K+5], as in `maskaq.tasks`.

    Raises:
        ModelError: transformers is not installed, the model is not supported, its config.json is
            damaged, or the model hub cannot be reached.
        WeightsError: the weights are missing, cannot be read or do not fit.
        OptionError: wrong number of class names, or a size that the model cannot take.
    """
    library.transformers()
    folder = folder_of(name)
    said = files.read_config(folder)
    family = family_of(said, folder / files.CONFIG)
    config = _configuration(family, said, folder / files.CONFIG)
    names, unnamed = _names(config, folder / files.CONFIG, class_names)
    body = family.body(config)
    arrangement = ARRANGEMENTS[body.model_type](body)
    pictures = preprocessing(
        files.read_preprocessor(folder),
        getattr(body, "image_size", None),
        arrangement.step,
        family.square,
        size,
    )
    state, path, notes = files.read_state(folder)
    inner, left_out = _with_weights(family, config, state, path)
    _, height, width = pictures.data_config["input_size"]
    sides = (height, width)
    patches = PatchGrid(sides, arrangement.patch, arrangement.grid(sides))
    model = WRAPPERS[family.task](inner, family.outputs, patches, arrangement.prefix)
    model.eval().requires_grad_(False)
    unused = _prepare(model, arrangement)
    tokens = tokens_of(model)
    return LoadedModel(
        str(name),
        model,
        pictures.data_config,
        names,
        tokens.grid,
        tokens.prefix,
        notes=(*notes, *left_out, *unused, *unnamed, *pictures.notes),
        task=family.task,
    )


def _configuration(family: Family, said: Mapping[str, Any], path: Path) -> Any:
    """The content of config.json as the class of transformers."""
    own = getattr(library.transformers(), family.architecture).config_class
    plain = {key: value for key, value in said.items() if key not in _NOT_READ}
    try:
        return own.from_dict(plain)
    except Exception as error:  # of the checks of transformers, of many types
        raise ModelError(
            f"{path} does not describe a model that transformers can build "
            f"({type(error).__name__}: {first_line(error)}); download it again."
        ) from error


def _names(
    config: Any, path: Path, given: Sequence[str] | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of the classes, and a note if there are none."""
    labels, count = config.id2label, int(config.num_labels)
    if sorted(labels) != list(range(count)) or count < 1:
        raise ModelError(
            f"{path} numbers its {len(labels)} classes {some(labels)} (id2label); expected 0 to "
            f"{len(labels) - 1}."
        )
    if given is not None and len(given) != count:
        raise OptionError(f"{len(given)} class names for the {count} classes of {path}.")
    if given is not None:
        return tuple(given), ()
    names = tuple(str(labels[index]) for index in range(count))
    unnamed = names == tuple(f"LABEL_{index}" for index in range(count))  # as transformers says
    return names, (_UNNAMED,) if unnamed else ()


def _with_weights(
    family: Family, config: Any, state: dict[str, Tensor], path: Path
) -> tuple[nn.Module, tuple[str, ...]]:
    """The model of transformers with these weights in float32, and a note on what was left out."""
    own = getattr(library.transformers(), family.architecture)
    try:
        with library.quietly():
            model, report = own.from_pretrained(
                None,
                config=config,
                state_dict=state,
                dtype="float32",
                attn_implementation="eager",  # any model has it
                ignore_mismatched_sizes=True,
                output_loading_info=True,
            )
    except Exception as error:  # building a model from any configuration may raise anything
        raise WeightsError(
            f"{path} does not fit the config.json beside it ({type(error).__name__}: "
            f"{first_line(error)}); download both again."
        ) from error
    _check(report, path)
    if getattr(model, "auxiliary_head", None) is not None:
        model.auxiliary_head = None  # used in training only
    for module in model.modules():
        if getattr(module, "_supports_sdpa", False):  # the model, or its backbone
            module.set_attn_implementation("sdpa")
    extra = sorted(report["unexpected_keys"])
    note = f"left out {len(extra)} weights that the model does not have: {some(extra)}"
    return model, (note,) if extra else ()


def _check(report: Mapping[str, Any], path: Path) -> None:
    """Refuse weights that are missing or have another shape.

    Raises:
        WeightsError: names the first of them.
    """
    for key, given, expected in sorted(report["mismatched_keys"], key=str):
        shapes = f"{list(given)}, but {list(expected)} by the config.json beside it"
        raise WeightsError(f"{path} does not fit: {key} is {shapes}; pass weights of this model.")
    missing = sorted(key for key in report["missing_keys"] if not SPARE.match(key))
    if missing:
        raise WeightsError(f"{path} lacks {some(missing)}; pass all weights of this model.")


def _prepare(model: DenseModel, arrangement: Arrangement) -> tuple[str, ...]:
    """Find the structure of a model, and remove what it never calls; a note on that.

    Raises:
        ModelError: it cannot be run on images of its size, or its attention is not as expected.
    """
    try:
        structure = structure_of(model)
    except Exception as error:  # running a model of any configuration may raise anything
        height, width = model.patch_embed.img_size
        raise ModelError(
            f"{type(model.model).__name__} cannot be run on images of {height} x {width} pixels "
            f"({type(error).__name__}: {first_line(error)}); pass another size."
        ) from error
    grid = model.patch_embed.grid_size
    mark_attention(model, arrangement.windows(grid, structure.attention, model))
    model.measure()
    layers = [n for n, own in model.named_modules() if isinstance(own, nn.Linear | nn.Conv2d)]
    unused = [name for name in layers if name not in structure.layers]
    for name in unused:
        model.set_submodule(name, nn.Identity())
    note = f"left out {len(unused)} layers that the model never calls: {some(unused)}"
    return (note,) if unused else ()
