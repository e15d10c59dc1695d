"""The names of the library transformers for a ViT, DeiT, DINOv2 or Swin, turned into timm's.

Its files and its models name the layers differently (since its version 5), and both are known.
Query, key and value are separate layers there, and one layer here.
"""

import re
from collections.abc import Iterable

import torch
from torch import Tensor

from maskaq.errors import WeightsError

State = dict[str, Tensor]
_MODEL = re.compile(r"(vit|deit|dinov2|dinov2_with_registers|swin)\.(?=embeddings\.|enc|lay|pool)")
_PATCHES = "embeddings.patch_embeddings.projection.weight"
_UNUSED = re.compile(r"pooler\.|(embeddings\.)?mask_token$|.*relative_position_index$")
# Applied one after the other; each matches at the start of what is left of a name.
_OUTER = (
    (r"embeddings\.patch_embeddings\.projection\.", "patch_embed.proj."),
    (r"embeddings\.norm\.", "patch_embed.norm."),
    (r"embeddings\.position_embeddings$", "pos_embed"),
    (r"embeddings\.cls_token$", "cls_token"),
    (r"embeddings\.distillation_token$", "dist_token"),
    (r"embeddings\.register_tokens$", "reg_token"),
    (r"layernorm\.", "norm."),
    (r"cls_classifier\.", "head."),
    (r"distillation_classifier\.", "head_dist."),
    (r"classifier\.", "head."),
)
_BLOCK = re.compile(r"(?:encoder\.)?layers?\.(\d+)\.(?:blocks\.(\d+)\.)?(.*)")
_INNER = (
    (r"attention\.relative_position_bias\.(relative_position_bias_table)$", r"attn.\1"),
    (r"attention\.self\.(relative_position_bias_table)$", r"attn.\1"),
    (r"attention\.(?:(?:attention|self)\.)?(query|key|value)\.", r"attn.\1."),
    (r"attention\.q_proj\.", "attn.query."),
    (r"attention\.k_proj\.", "attn.key."),
    (r"attention\.v_proj\.", "attn.value."),
    (r"attention\.(?:output\.dense|o_proj)\.", "attn.proj."),
    (r"intermediate\.dense\.", "mlp.fc1."),
    (r"output\.dense\.", "mlp.fc2."),
    (r"mlp\.weights_in\.", "mlp.fc1."),
    (r"mlp\.(?:weights_out|down_proj)\.", "mlp.fc2."),
    (r"layernorm_before\.", "norm1."),
    (r"layernorm_after\.", "norm2."),
    (r"layer_scale([12])\.lambda1$", r"ls\1.gamma"),
)
# Layers here that are one after the other in a layer of timm.
_JOINED = {
    "attn.qkv": ("attn.query", "attn.key", "attn.value"),
    "mlp.fc1": ("mlp.gate_proj", "mlp.up_proj"),
}


def epsilon(state: State) -> float:
    """What the LayerNorms of these models, under timm's names, add to the variance by default."""
    if "blocks.0.ls1.gamma" in state:  # DINOv2
        return 1e-6
    return 1e-5 if any(key.startswith("layers.") for key in state) else 1e-12  # Swin; ViT and DeiT


def is_transformers(state: State) -> bool:
    """Whether the names are those of transformers."""
    return any(_MODEL.sub("", key) == _PATCHES for key in state)


def to_timm(state: State, path: object) -> tuple[State, tuple[str, ...]]:
    """The same weights under the names of timm, and notes.

    Raises:
        WeightsError: two weights have the same name, or one of query, key and value is missing.
    """
    notes = ["turned the names of transformers into those of timm"]
    plain = {_MODEL.sub("", key): value for key, value in state.items()}
    unused = sorted(key for key in plain if _UNUSED.match(key) and "index" not in key)
    if unused:
        notes.append(f"left out {', '.join(unused)}, which no classifier uses")
    kept = {key: value for key, value in plain.items() if not _UNUSED.match(key)}
    renamed = {_name(key): value for key, value in kept.items()}
    if len(renamed) < len(kept):
        raise WeightsError(f"{path} has the same weights under two names of transformers.")
    return _tokens(_joined(renamed, path)), tuple(notes)


def _name(key: str) -> str:
    if block := _BLOCK.fullmatch(key):
        number, inner, rest = block.groups()
        if rest.startswith("downsample."):  # at the end of a stage there, at the start here
            return f"layers.{int(number) + 1}.{rest}"
        place = f"blocks.{number}" if inner is None else f"layers.{number}.blocks.{inner}"
        return f"{place}.{_first(rest, _INNER)}"
    return _first(key, _OUTER)


def _first(key: str, table: Iterable[tuple[str, str]]) -> str:
    for pattern, name in table:
        renamed, count = re.subn(f"^{pattern}", name, key)
        if count:
            return renamed
    return key


def _joined(state: State, path: object) -> State:
    """Query, key and value of a block as one layer, and so the two halves of a gated MLP."""
    result = dict(state)
    for whole, parts in _JOINED.items():
        for key in [key for key in state if f".{parts[0]}." in key]:
            names = [key.replace(f".{parts[0]}.", f".{part}.") for part in parts]
            lacking = [name for name in names if name not in state]
            if lacking:
                raise WeightsError(f"{path} has {key}, but lacks {lacking[0]}.")
            joined = torch.cat(
                [result.pop(name) for name in names]
            )  # [parts*out,in] or [parts*out]
            result[key.replace(f".{parts[0]}.", f".{whole}.")] = joined
    return result


def _tokens(state: State) -> State:
    """Tokens before the patches as timm has them.

    Where timm has no position embedding for registers, that of the class token is part of the
    token. A distillation token without a head of its own is a register to a classifier.
    """
    result = dict(state)
    if "dist_token" in result and "head_dist.weight" not in result:
        result["reg_token"] = result.pop("dist_token")
    elif {"reg_token", "cls_token", "pos_embed"} <= {*result}:
        return fold_position(result)
    return result


def fold_position(state: State) -> State:
    """The position embedding of the class token added to the token, as timm does it for DINOv2."""
    position = state["pos_embed"]  # [1,1+N,C]
    return {
        **state,
        "cls_token": state["cls_token"] + position[:, :1],  # [1,1,C]
        "pos_embed": position[:, 1:],  # [1,N,C]
    }
