"""What weights say about their architecture, where that differs from what a name stands for.

Image size, pooling and tokens before the patches leave traces in the names and shapes of weights.
"""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor, nn

from maskaq.errors import OptionError, WeightsError

State = Mapping[str, Tensor]
_TABLE = "attn.relative_position_bias_table"
_DISTANCES = (f"blocks.0.{_TABLE}", "rel_pos_bias.relative_position_bias_table")


class Plan(NamedTuple):
    """How to build a model. options: of `timm.create_model`. size: image side in pixels, None for
    the architecture's."""

    options: dict[str, Any]
    notes: tuple[str, ...]
    size: int | None


class _Case(NamedTuple):
    """The weights and the architecture that a name stands for, on the meta device."""

    state: State
    model: nn.Module
    expected: State
    name: str
    path: Path
    size: int | None


def plan(
    state: State,
    model: nn.Module,
    name: str,
    global_pool: str,
    path: Path,
    size: int | None = None,
) -> Plan:
    """How the model of these weights differs from `model`, which is that of `name`.

    global_pool: `"token"` or `"avg"` if the user chose the pooling, else "". size: side of the
    images in pixels, for weights that do not tell; None takes the architecture's.

    Raises:
        WeightsError: another patch size, or images that are not square.
        OptionError: the pooling does not suit the architecture or the weights.
    """
    case = _Case(state, model, model.state_dict(), name, path, size)
    options: dict[str, Any] = {}
    notes: list[str] = []
    for changes, note in (*_tokens(case), *_pooling(case, global_pool)):
        options |= changes
        notes += [note] if note else []
    side, note = _size(case, options)
    if side is not None:
        options |= {"img_size": side} | _window_option(case)
        notes.append(note)
    return Plan(options, tuple(notes), side)


def _tokens(case: _Case) -> Iterator[tuple[dict[str, Any], str]]:
    """Register tokens as many as in the weights, and no class token if they have none."""
    registers = [_registers(one) for one in (case.state, case.expected)]
    if registers[0] != registers[1]:
        yield {"reg_tokens": registers[0]}, f"register tokens: {registers[0]}, as in the weights"


def _registers(state: State) -> int:
    token = state.get("reg_token")
    return 0 if token is None or token.ndim != 3 else token.shape[1]


def _pooling(case: _Case, asked: str) -> Iterator[tuple[dict[str, Any], str]]:
    """The pooling that the weights or the user ask for, where the name has another one."""
    default = getattr(case.model, "global_pool", "")
    attends = any(key.startswith("attn_pool.") for key in case.state)
    if attends or any(key.startswith("attn_pool.") for key in case.expected):
        if asked:
            raise OptionError(
                f"global_pool is {asked!r}, but {case.name} pools by attention; leave it out."
            )
        if attends and default != "map":
            yield {"global_pool": "map"}, "attention pooling, as the weights have attn_pool"
        return
    token = "cls_token" in case.state
    if asked == "token" and not token:
        raise OptionError(
            f"global_pool is {asked!r}, but the weights of {case.name} have no class token; "
            "allowed: avg."
        )
    found, note = _traces(case)
    pool = asked or found or default
    if pool != default:
        yield {"global_pool": pool}, "" if asked else note
    if "cls_token" in case.expected and not token:
        yield {"class_token": False}, ""
    after = "fc_norm.weight" in case.state
    if pool != default or after != ("fc_norm.weight" in case.expected):
        yield _norm_option(case, after), ""


def _traces(case: _Case) -> tuple[str, str]:
    """The pooling that the weights tell, and how; "" if it is that of the name or not known."""
    after, token = "fc_norm.weight" in case.state, "cls_token" in case.state
    if "cls_token" in case.expected and not token:
        return "avg", "average pooling, as the weights have no class token"
    if after == ("fc_norm.weight" in case.expected) or not (after or "norm.weight" in case.state):
        return "", ""
    if after:
        return "avg", "average pooling over the patches, as the weights have fc_norm"
    if token:
        return "token", "pooling of the class token, as the weights have norm and no fc_norm"
    return "", ""


def _norm_option(case: _Case, after: bool) -> dict[str, Any]:
    """Where the norm is; timm's classes have two names for this option."""
    kind = type(case.model).__name__
    name = {"Beit": "use_fc_norm", "Eva": "use_fc_norm", "VisionTransformer": "fc_norm"}.get(kind)
    return {name: after} if name else {}


def _size(case: _Case, options: Mapping[str, Any]) -> tuple[int | None, str]:
    """Side of the images in pixels, and where it is known from; None for the architecture's."""
    patch = case.state.get("patch_embed.proj.weight")
    if patch is None or patch.ndim != 4:
        return None, ""
    known = _from_positions(case, options, patch.shape[-1])
    where = "position embeddings of the weights"
    if known is None:
        known, where = _from_distances(case, patch.shape[-1]), "relative positions of the weights"
    if known is None and _windows(case.state):
        known, where = case.size, "config.json beside the weights"
    if known is None:
        known, where = _from_windows(case, patch.shape[-1]), "windows of the weights"
    if known is None or known == _default_size(case.model):
        return None, ""
    return known, f"{known} x {known} pixels, from the {where}"


def _default_size(model: nn.Module) -> int | None:
    size = getattr(getattr(model, "patch_embed", None), "img_size", None)
    return int(size[0]) if size else None


def _from_positions(case: _Case, options: Mapping[str, Any], patch: int) -> int | None:
    given, expected = case.state.get("pos_embed"), case.expected.get("pos_embed")
    grid = getattr(getattr(case.model, "patch_embed", None), "grid_size", None)
    if given is None or expected is None or not grid or given.ndim != 3:
        return None
    prefix = expected.shape[1] - grid[0] * grid[1]
    if prefix:
        prefix += _registers(case.state) - _registers(case.expected)
        prefix += ("dist_token" in case.state) - ("dist_token" in case.expected)
        prefix -= options.get("class_token") is False
    patches = given.shape[1] - prefix
    if patches == grid[0] * grid[1]:  # some sizes are no multiple of their patches
        return _default_size(case.model)
    side = math.isqrt(max(0, patches))
    if side < 1 or side * side != patches:
        raise WeightsError(
            f"{case.path} has position embeddings of {patches} patches, which do not form a "
            f"square. Pass weights for square images, or another --model than {case.name}."
        )
    return int(side * patch)


def _from_distances(case: _Case, patch: int) -> int | None:
    """From the biases of BEiT's relative positions, a table with one row for each distance.

    G x G patches have (2G-1)^2 distances; the table has some more rows, for the class token.
    """
    grid = getattr(getattr(case.model, "patch_embed", None), "grid_size", None)
    key = next((one for one in _DISTANCES if one in case.state and one in case.expected), None)
    if key is None or not grid:
        return None
    more = len(case.expected[key]) - (2 * grid[0] - 1) * (2 * grid[1] - 1)
    rows = len(case.state[key]) - more
    if rows < 1 or math.isqrt(rows) ** 2 != rows or math.isqrt(rows) % 2 == 0:
        return None
    side = (math.isqrt(rows) + 1) // 2
    return _default_size(case.model) if side == grid[0] == grid[1] else side * patch


def _from_windows(case: _Case, patch: int) -> int | None:
    """From the masks of shifted windows, or from a stage that is smaller than a window.

    Windows of another size than the architecture's, all alike, are those of the smallest images in
    which they fit, as in the published models.
    """
    windows = _windows(case.state)
    if not windows:
        return None
    mask = case.state.get("layers.0.blocks.1.attn_mask")  # [windows,w*w,w*w]
    if mask is not None and mask.ndim == 3 and math.isqrt(len(mask)) ** 2 == len(mask):
        return math.isqrt(len(mask)) * windows[0] * patch
    for stage, window in enumerate(windows):
        if window < windows[0]:
            return window * (patch << stage)  # each stage halves the sides
    return windows[-1] * (patch << len(windows) - 1) if _window_option(case) else None


def _window_option(case: _Case) -> dict[str, Any]:
    given, expected = _windows(case.state)[:1], _windows(case.expected)[:1]
    return {"window_size": given[0]} if given != expected and given else {}


def _windows(state: State) -> list[int]:
    """Sides of the windows of each stage, in patches, from tables [(2w-1)^2,H]."""
    found: list[int] = []
    while (table := state.get(f"layers.{len(found)}.blocks.0.{_TABLE}")) is not None:
        found.append((math.isqrt(len(table)) + 1) // 2)
    return found
