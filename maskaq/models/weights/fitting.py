"""The model that a name and a weights file make together."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from timm.data import resolve_model_data_config
from torch import Tensor, nn

from maskaq.errors import OptionError, WeightsError, some
from maskaq.models.architectures import BUNDLED, build
from maskaq.models.weights import channels, heads
from maskaq.models.weights.advice import SHOWN, advice, difference
from maskaq.models.weights.architecture import Plan, plan
from maskaq.models.weights.companions import Companions, beside
from maskaq.models.weights.state import Weights
from maskaq.models.weights.transformers_names import epsilon

# Buffers that a model computes from its shape, and that older versions of timm stored.
_COMPUTED = re.compile(r"(^|\.)(relative_position_index|attn_mask|position_ids)$")


class Fitted(NamedTuple):
    """A model with its weights. data_config: its preprocessing, as in timm. notes: what was
    decided, each a short sentence."""

    model: nn.Module
    data_config: Mapping[str, Any]
    notes: tuple[str, ...] = ()


class ClassAndMean(nn.Module):
    """Pooling of DINOv2's classifiers: the class token beside the mean of the patches."""

    def __init__(self, prefix: int) -> None:
        super().__init__()
        self.prefix = prefix

    def forward(self, tokens: Tensor) -> Tensor:
        """The features [B,2C] of tokens [B,T,C], prefix tokens first."""
        mean = tokens[:, self.prefix :].mean(1)  # [B,C]
        return torch.cat([tokens[:, 0], mean], 1)  # [B,2C]


def fitted(name: str, weights: Weights, global_pool: str = "") -> Fitted:
    """Build the architecture of a name as the weights need it, and load them.

    global_pool: `"token"` or `"avg"`, for weights that do not tell; "" for what they tell, or the
    architecture's default.

    Raises:
        WeightsError: they do not fit; the message names the models that they fit.
        OptionError: the pooling does not suit the architecture.
        ModelError: the architecture is not supported.
    """
    path = weights.path
    default = build(name)
    _check_patches(weights.state, default, name, path)
    target = heads.target_of(default.state_dict()) if name in BUNDLED else _head_of(default)
    state, head_notes = heads.renamed(weights.state, target, path)
    state, grey_notes = channels.with_colour(state, path)
    classes = heads.head_classes(state, target)
    if classes is None and f"{target}.weight" in default.state_dict():
        classes = 0
        head_notes += (f"the weights have no classification head ({target}.weight)",)
    said = Companions() if name in BUNDLED else beside(path, weights.transformers)
    how = _planned(state, default, name, global_pool, path, said.size)
    as_named = not how.options and classes in (None, default.num_classes)
    model = default if as_named else _built(name, classes, how, path)
    head_notes += widened(model, state, weights.transformers)
    expected = model.state_dict()
    state = {key: v for key, v in state.items() if key in expected or not _COMPUTED.search(key)}
    load_weights(model, state, path, name)
    said.check(model, name, path)
    if weights.transformers:
        _set_epsilon(model, epsilon(state) if said.epsilon is None else said.epsilon)
    config, config_notes = _preprocessing(name, model, how, said)
    notes = (*weights.notes, *head_notes, *how.notes, *config_notes, *grey_notes)
    return Fitted(model, channels.grey_config(config) if grey_notes else config, notes)


def _set_epsilon(model: nn.Module, value: float) -> None:
    for module in model.modules():
        if isinstance(module, nn.LayerNorm):
            module.eps = value


def _preprocessing(
    name: str, model: nn.Module, how: Plan, said: Companions
) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    """That of the name, for the image size and the channels of the weights, and a note."""
    config = BUNDLED[name].data_config if name in BUNDLED else resolve_model_data_config(model)
    if how.size is not None:
        config = {**config, "input_size": (3, how.size, how.size)}
    changes = said.changed(config)
    names = {"mean": "mean", "std": "standard deviation"}
    note = f"{' and '.join(names[key] for key in changes)} of the channels from beside the weights"
    return {**config, **changes}, (note,) if changes else ()


def _head_of(model: nn.Module) -> str:
    """The name of a timm model's head, also if it has no classes."""
    names = getattr(model, "pretrained_cfg", {}).get("classifier") or "head"
    return str(names if isinstance(names, str) else names[0])


def _planned(
    state: Mapping[str, Tensor],
    default: nn.Module,
    name: str,
    global_pool: str,
    path: Path,
    size: int | None,
) -> Plan:
    if name not in BUNDLED:
        return plan(state, default, name, global_pool, path, size)
    if global_pool:
        raise OptionError(
            f"global_pool is {global_pool!r}, but that of {name} is fixed; leave it out."
        )
    return Plan({}, (), None)


def _built(name: str, classes: int | None, how: Plan, path: Path) -> nn.Module:
    try:
        return build(name, classes, **how.options)
    except (TypeError, AssertionError) as error:  # of the constructors of timm
        changes = ", ".join(f"{key}={value}" for key, value in how.options.items())
        raise WeightsError(
            f"{path} needs {name} with {changes}, which timm does not build ({error}); pass the "
            "name of another architecture as --model."
        ) from error


def _check_patches(state: Mapping[str, Tensor], model: nn.Module, name: str, path: Path) -> None:
    given = state.get("patch_embed.proj.weight")
    expected = model.state_dict().get("patch_embed.proj.weight")
    if given is None or expected is None or given.ndim != expected.ndim:
        return
    if given.shape[-2:] != expected.shape[-2:]:
        sides = [" x ".join(map(str, one.shape[-2:])) for one in (given, expected)]
        raise WeightsError(
            f"{path} has patches of {sides[0]} pixels, {name} of {sides[1]}. {advice(state, name)}"
        )


def widened(model: nn.Module, state: Mapping[str, Tensor], transformers: bool) -> tuple[str, ...]:
    """Give a model the head of transformers' DINOv2, which reads class token and mean patch."""
    head = state.get("head.weight")
    whole: Any = model
    if not transformers or head is None or not isinstance(getattr(whole, "head", None), nn.Linear):
        return ()
    if head.shape[1] != 2 * whole.head.in_features or "blocks.0.ls1.gamma" not in state:
        return ()
    whole.global_pool, whole.fc_norm = "", ClassAndMean(whole.num_prefix_tokens)
    whole.head = nn.Linear(head.shape[1], head.shape[0], device="meta")
    return ("the head reads the class token and the mean of the patches",)


def load_weights(
    model: nn.Module, state: Mapping[str, Tensor], path: str | Path, name: str = ""
) -> None:
    """Load `state`, converted to float32, into a model on the meta device.

    Args:
        model: has exactly the keys and shapes of `state`.
        path: file that `state` was read from, for messages.
        name: of the model, which a message does not recommend.

    Raises:
        WeightsError: keys are missing or unexpected, shapes differ (the message names the model
            that fits), or a weight is not finite.
    """
    expected = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    given = {key: tuple(value.shape) for key, value in state.items()}
    if expected != given:
        reason = f"{difference(expected, given)} {advice(state, name)}"
        raise WeightsError(f"{path} does not fit. {reason}")
    bad = [key for key, value in state.items() if not bool(value.isfinite().all())]
    if bad:
        raise WeightsError(f"{path} contains NaN or infinite weights in {some(bad, SHOWN)}.")
    floats = {key: v.float() if v.is_floating_point() else v for key, v in state.items()}
    large = [key for key, value in floats.items() if not bool(value.isfinite().all())]
    if large:
        raise WeightsError(f"{path} has weights too large for float32 in {some(large, SHOWN)}.")
    model.load_state_dict(floats, assign=True)
    _compute_buffers(model)


def _compute_buffers(model: nn.Module) -> None:
    """Compute what is not stored, such as the indices of relative positions."""
    for module in model.modules():
        missing = [key for key, one in module.named_buffers(recurse=False) if one.is_meta]
        for key in missing:
            setattr(module, key, torch.empty_like(getattr(module, key), device="cpu"))
        if missing:
            whole: Any = module
            whole.init_non_persistent_buffers()  # of timm
