"""The weights of one model in what a training script saved: the container, then the prefix.

A container is a key such as `model` or `state_dict_ema` beside the optimizer and the epoch. A
prefix is what a wrapper adds to every name, such as `module.` or `_orig_mod.`; it is what stands
before the name of the patch embedding, whatever that is. A file with several models, each in its
container or under its prefix, gives one of them: an average over the training (EMA) rather than the
raw weights, a teacher rather than its student.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from maskaq.errors import WeightsError, unknown

State = dict[str, Tensor]
_PLAIN = (bool, int, float, str, type(None))
_DEPTH = 4  # of containers in containers
_NO_MODEL = re.compile(  # containers of a training script's other parts
    r"optim|sched|scaler|loss|criterion|callback|metric|args|config|hparams|rng|mixup",
    re.IGNORECASE,
)
# Tensors that a training script stores beside the weights.
_BESIDE = re.compile(
    r"^(n_averaged|initted|step|epoch|decay|num_updates)$"
    r"|(^|\.)(criterion|loss_fn|(\w+_)?(loss|metrics?|acc|accuracy|auroc|f1))\."
)
# Added by torch.compile, FSDP and activation checkpoints to the module that they wrap, also inside.
_WRAPPERS = re.compile(r"(?<![^.])(_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
_PREFIX = re.compile(r"(module|model|_orig_mod|backbone|encoder|net|network|vit)\.")
_PATCHES = re.compile(
    r"(?<![^.])(patch_embed\.proj|((vit|deit|dinov2|dinov2_with_registers|swin)\.)?"
    r"embeddings\.patch_embeddings\.projection)\.weight$"
)
_HEAD = re.compile(r"(head|heads|head_dist|classifier|fc|cls_classifier|distillation_classifier)\.")
_PREFERRED = (  # the first that matches; a model that matches none comes before a student
    re.compile(r"(?<![a-z])(ema|averaged|swa)(?![a-z])", re.IGNORECASE),
    re.compile(r"teacher", re.IGNORECASE),
    re.compile(r"^(?!.*student)", re.IGNORECASE),
)


class Model(NamedTuple):
    """The weights of one model. label: its container and, if it shares that, its prefix."""

    label: str
    state: Mapping[str, Any]


def model_state(content: Any, path: Path, chosen: str = "") -> tuple[State, tuple[str, ...]]:
    """The state dict of one model in the content of a file, without prefixes, and notes.

    chosen: label of the model to take, such as `student`; "" takes the preferred one.

    Raises:
        WeightsError: the content has no weights, or no model of this label.
    """
    if not isinstance(content, Mapping):
        raise WeightsError(f"{path} contains a {type(content).__name__}; expected a state dict.")
    if {"state", "param_groups"} <= {*content}:
        raise WeightsError(
            f"{path} is the state of an optimizer (state, param_groups), without model weights; "
            "pass the file with the model's weights."
        )
    models = [part for one in _containers(content) for part in _parts(one)]
    with_patches = [one for one in models if any(map(_PATCHES.search, one.state))]
    if chosen:
        model, note = _by_label(models, chosen, path), ""
    elif models:
        model, note = _choice(with_patches or models, content)
    else:
        raise _nothing(content, path)
    tensors = _tensors(model, path)
    state, notes = _without_prefix(tensors)
    if len(state) < len(tensors):
        raise WeightsError(
            f"{path} has two weights for one name, as with and without the prefix of a wrapper; "
            "save the state dict of the model alone."
        )
    return state, tuple(one for one in (note, *notes) if one)


def _containers(content: Mapping[Any, Any], label: str = "", depth: int = 0) -> Iterator[Model]:
    """Every mapping of names to tensors; one that only has tensors beside others is left out."""
    inner = [
        one
        for key, value in content.items()
        if isinstance(value, Mapping) and depth < _DEPTH and not _NO_MODEL.search(str(key))
        for one in _containers(value, f"{label}.{key}" if label else str(key), depth + 1)
    ]
    yield from inner
    named = {key: value for key, value in content.items() if isinstance(key, str)}
    if any(isinstance(value, Tensor) for value in named.values()) and (
        not inner or any(map(_PATCHES.search, named))
    ):
        yield Model(label, {key: v for key, v in named.items() if not isinstance(v, Mapping)})


def _parts(model: Model) -> Iterator[Model]:
    """The models of a container that holds several, each under its own prefix (`teacher.`)."""
    found = {key: key[: match.start()] for key in model.state if (match := _PATCHES.search(key))}
    prefixes = sorted(found.values(), key=len, reverse=True)
    if len(prefixes) < 2:
        yield model
        return
    for prefix in found.values():
        state = {
            key: value for key, value in model.state.items() if _owner(key, prefixes) == prefix
        }
        label = ".".join(part for part in (model.label, prefix.rstrip(".")) if part)
        yield Model(label, state)


def _owner(key: str, prefixes: list[str]) -> str | None:
    """The model that a name belongs to: the head beside `student.backbone.` to the student.

    prefixes: those of the models, the longest first.
    """
    if inside := [prefix for prefix in prefixes if key.startswith(prefix)]:
        return inside[0]
    for dot in reversed(list(re.finditer(r"\.", key))):
        if beside := [prefix for prefix in prefixes if prefix.startswith(key[: dot.end()])]:
            return beside[0] if len(beside) == 1 else None
    return None


def _by_label(models: list[Model], chosen: str, path: Path) -> Model:
    for one in models:
        if f".{chosen}." in f".{one.label}.":
            return one
    labels = [one.label for one in models if one.label]
    if not labels:
        raise WeightsError(f"{path} has no containers to choose from; leave out `#{chosen}`.")
    raise WeightsError(f"{path}: " + unknown("container", chosen, labels))


def _choice(models: list[Model], content: Mapping[Any, Any]) -> tuple[Model, str]:
    """The preferred model, and a note if it is in a container or another one has other weights."""
    ranked = sorted(models, key=_rank)  # stable, so the first of equals is the first in the file
    model = ranked[0]
    others = [one.label for one in ranked[1:] if one.label and not _equal(one.state, model.state)]
    if not others:
        return model, f"took the weights in `{model.label}`" if model.label else ""
    outer = [str(key) for key in content]
    labels = [one.label for one in models if one.label]
    names = outer if model.label in outer and len(outer) <= 12 else labels
    taken = f"took `{model.label}` of" if model.label else "took the weights beside"
    return model, (
        f"{taken} the containers {', '.join(names)}, of which several have weights (another: "
        f"--weights FILE#{others[0]})"
    )


def _rank(model: Model) -> int:
    matching = (number for number, one in enumerate(_PREFERRED) if one.search(model.label))
    return next(matching, len(_PREFERRED))


def _equal(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    if one.keys() != other.keys():
        return False
    pairs = [(one[key], other[key]) for key in one]
    return all(
        isinstance(a, Tensor)
        and isinstance(b, Tensor)
        and (a.shape, a.dtype) == (b.shape, b.dtype)
        and a.is_contiguous()  # else it may have far more elements than are stored
        and torch.equal(a, b)
        for a, b in pairs
    )


def _nothing(content: Mapping[Any, Any], path: Path) -> WeightsError:
    """The error for a checkpoint without weights; names what it contains."""
    names = ", ".join(repr(key) for key in list(content)[:6]) or "nothing"
    return WeightsError(
        f"{path} contains {names}, but no weights of a model; expected a state dict, which has a "
        "tensor for each name, or a checkpoint with one in `model` or `state_dict`."
    )


def _tensors(model: Model, path: Path) -> State:
    """The state of a model without the plain values that a script stored beside the tensors."""
    kept = {key: value for key, value in model.state.items() if not _BESIDE.search(key)}
    if any(map(_PATCHES.search, kept)):
        kept = {key: value for key, value in kept.items() if not isinstance(value, _PLAIN)}
    wrong = [key for key, value in kept.items() if not isinstance(value, Tensor)]
    if any("_packed_params" in key for key in kept):
        raise WeightsError(
            f"{path} is a model quantized by PyTorch; pass the float weights, from before "
            "quantization."
        )
    if wrong or not kept:
        where = f" in `{model.label}`" if model.label else ""
        name = repr(wrong[0]) if wrong else "nothing"
        raise WeightsError(f"{path}: {name}{where} is not a tensor; expected a state dict.")
    return kept


def _without_prefix(state: State) -> tuple[State, list[str]]:
    """The state with the names of timm or transformers, and a note on what was removed."""
    raw = next((key for key in state if _PATCHES.search(_WRAPPERS.sub("", key))), "")
    plain = {_WRAPPERS.sub("", key): value for key, value in state.items()}
    match = next((found for key in plain if (found := _PATCHES.search(key))), None)
    prefix = match.string[: match.start()] if match else _common(plain)
    before = raw.removesuffix(match[0]) if match and raw.endswith(match[0]) else ""
    removed = before or (prefix if match else _common(state))
    notes = [f"removed the prefix `{removed}`"] if removed else []
    if any(_WRAPPERS.search(key.removeprefix(removed)) for key in state):
        notes.append("removed the names of wrappers inside, such as `_orig_mod.`")
    return _stripped(plain, prefix), notes


def _common(state: Mapping[str, Any]) -> str:
    """The prefixes of wrappers that all names share, one after the other."""
    prefix = ""
    while (match := _PREFIX.match(next(iter(state)), len(prefix))) and all(
        key.startswith(prefix + match[0]) for key in state
    ):
        prefix += match[0]
    return prefix


def _stripped(state: State, prefix: str) -> State:
    """Names without the prefix; a head outside of it (`backbone.*` and `head.*`) keeps its own.

    Any other name stays as it is, and is refused later as unexpected.
    """
    inside = {key[len(prefix) :]: value for key, value in state.items() if key.startswith(prefix)}
    has_head = any(map(_HEAD.match, inside))
    for key, value in state.items():
        if not key.startswith(prefix):
            levels = [""] + [prefix[: dot.end()] for dot in re.finditer(r"\.", prefix)]
            names = [key.removeprefix(level) for level in levels if key.startswith(level)]
            own = [name for name in names if _HEAD.match(name)]
            inside[own[0] if own and not has_head else key] = value
    return inside
