"""How the bodies of transformers arrange their tokens: in one grid, in stages, in windows.

Each arrangement is found from the configuration of the body, and compared with the shapes of the
attention that the model computes.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import accumulate
from operator import mul
from typing import Any

from torch import nn

from maskaq.errors import ModelError
from maskaq.models.dense_transformers.places import OneWindow, PaddedWindows
from maskaq.models.structure import AttentionCall
from maskaq.models.windows import Windows

Pair = tuple[int, int]


class Arrangement:
    """All tokens attend to all, the patches after `prefix` others (DPT, BEiT, DINOv2).

    patch: height and width of a patch of the finest grid in pixels. step: what the sides of images
    have to be multiples of. prefix: number of tokens before the patches.
    """

    def __init__(self, config: Any) -> None:
        """config: of the body, as the class of transformers."""
        self.patch = self.step = _pair(config.patch_size)
        self.prefix = 1 + int(getattr(config, "num_register_tokens", 0))  # after the class token

    def grid(self, sides: Pair) -> Pair:
        """Patches in rows and columns of images with these sides, at the finest resolution."""
        return sides[0] // self.patch[0], sides[1] // self.patch[1]

    def windows(
        self, grid: Pair, calls: Mapping[str, AttentionCall], model: nn.Module
    ) -> dict[str, Windows | None]:
        """Where the tokens of each attention module lie, by name; see `mark_attention`.

        Raises:
            ModelError: the attention has other shapes.
        """
        placed: dict[str, Windows | None] = {}
        for index, (name, call) in enumerate(calls.items()):
            own, shape = self._place(grid, index, model.get_submodule(name.rpartition(".")[0]))
            if (call.shape[0], *call.shape[2:]) != shape:
                raise ModelError(
                    f"attention in {name} has the shape {list(call.shape)}; expected {shape[0]} "
                    f"windows of {shape[1]} queries and {shape[2]} keys. Please report this, with "
                    "the version of transformers."
                )
            placed[name] = own
        return placed

    def _place(self, grid: Pair, index: int, block: Any) -> tuple[Windows | None, tuple[int, ...]]:
        """Windows of one attention module, and the windows, queries and keys that it should have.

        index: of the module in the order of execution. block: the module around it.
        """
        tokens = self.prefix + math.prod(grid)
        return None, (1, tokens, tokens)


class WithDetectionTokens(Arrangement):
    """The patches stand between a class token and the detection tokens (YOLOS)."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self._detections = int(config.num_detection_tokens)

    def _place(self, grid: Pair, index: int, block: Any) -> tuple[Windows | None, tuple[int, ...]]:
        tokens = self.prefix + math.prod(grid) + self._detections
        return OneWindow(grid, grid, before=self.prefix), (1, tokens, tokens)


class ReducedKeys(Arrangement):
    """Stages of ever fewer tokens, in which a key stands for a square of them (SegFormer)."""

    def __init__(self, config: Any) -> None:
        strides = list(accumulate(config.strides, mul))  # pixels of a token of each stage
        self.patch, self.prefix = _pair(strides[0]), 0
        self._scale = [stride // strides[0] for stride in strides]
        self._depths, self._reductions = config.depths, config.sr_ratios
        # Then each stage has a whole number of keys.
        self.step = _pair(math.lcm(*map(mul, strides, config.sr_ratios)))

    def _place(self, grid: Pair, index: int, block: Any) -> tuple[Windows | None, tuple[int, ...]]:
        stage = _stage(self._depths, index)
        own, square = _divided(grid, self._scale[stage]), self._reductions[stage]
        keys = _divided(own, square)
        shape = (1, math.prod(own), math.prod(keys))
        return OneWindow(own, own, stage=stage, keys=keys if square > 1 else None), shape


class ShiftedWindows(Arrangement):
    """Stages of ever fewer tokens, which attend in windows (Swin)."""

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        self.prefix, self._depths = 0, config.depths

    def _place(self, grid: Pair, index: int, block: Any) -> tuple[Windows | None, tuple[int, ...]]:
        stage = _stage(self._depths, index)
        rows, columns = (-(-side // 2**stage) for side in grid)  # merging pads an odd side
        size, shift = _pair(block.window_size), _pair(block.shift_size)
        own = PaddedWindows((rows, columns), size, shift, stage)
        return own, (own.count, math.prod(size), math.prod(size))


# By `model_type` of the body.
ARRANGEMENTS: Mapping[str, type[Arrangement]] = {
    "segformer": ReducedKeys,
    "swin": ShiftedWindows,
    "yolos": WithDetectionTokens,
    "dpt": Arrangement,
    "beit": Arrangement,
    "dinov2": Arrangement,
    "dinov2_with_registers": Arrangement,
}


def _pair(value: Any) -> Pair:
    """Height and width, from both or from one number for both."""
    height, width = value if isinstance(value, list | tuple) else (value, value)
    return int(height), int(width)


def _divided(sides: Pair, by: int) -> Pair:
    return sides[0] // by, sides[1] // by


def _stage(depths: Sequence[int], index: int) -> int:
    """The stage of a block, counted over all stages.

    >>> [_stage((1, 2), index) for index in range(3)]
    [0, 1, 1]
    """
    return next(stage for stage, end in enumerate(accumulate(depths)) if index < end)
