"""Attention in windows: where the tokens of each window lie in the image (Swin Transformer)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Windows:
    """The windows of one attention module.

    grid: rows and columns of tokens at this depth. size: of a window, likewise. shift: how far the
    windows are moved down and right before attention, in tokens. stage: index among the
    resolutions of the model, the finest first.
    """

    grid: tuple[int, int]
    size: tuple[int, int]
    shift: tuple[int, int] = (0, 0)
    stage: int = 0

    @property
    def across(self) -> tuple[int, int]:
        """Windows in a column and in a row; the last ones may reach beyond the image."""
        rows, columns = (
            math.ceil(side / own) for side, own in zip(self.grid, self.size, strict=True)
        )
        return rows, columns

    @property
    def count(self) -> int:
        """Windows per image."""
        return math.prod(self.across)

    def undo(self, x: Tensor) -> Tensor:
        """Values per token of each window, in the order of the image: [B*W,H,T,..] -> [B,H,N,..].

        T tokens of W windows cover the N tokens of the grid; those beyond the image are left out.
        """
        (down, right), (height, width) = self.across, self.size
        heads, rest = x.shape[1], x.shape[3:]
        split = x.reshape(-1, down, right, heads, height, width, *rest)
        order = (0, 3, 1, 4, 2, 5, *range(6, split.ndim))
        plane = split.permute(order).reshape(
            len(split), heads, down * height, right * width, *rest
        )  # [B,H,rows,columns,..]
        inside: Tensor = plane[:, :, : self.grid[0], : self.grid[1]]
        rolled = torch.roll(inside, self.shift, (2, 3)) if any(self.shift) else inside
        return rolled.flatten(2, 3)  # [B,H,N,..]

    def position(self, token: int) -> tuple[int, int]:
        """The window of a token of the grid, and the token's place in the window."""
        row, column = divmod(token, self.grid[1])
        row = (row - self.shift[0]) % self.grid[0]
        column = (column - self.shift[1]) % self.grid[1]
        window = row // self.size[0] * self.across[1] + column // self.size[1]
        return window, row % self.size[0] * self.size[1] + column % self.size[1]

    def tokens_at(self, grid: tuple[int, int]) -> Tensor:
        """The token that each patch of a finer grid is part of: int64 [N]."""
        down, across = (
            torch.arange(fine) * own // fine for fine, own in zip(grid, self.grid, strict=True)
        )
        return (down[:, None] * self.grid[1] + across).flatten()  # [N]

    def slots(self) -> Tensor:
        """Where each token of the grid is among the tokens of all windows: int64 [N]."""
        count = self.count * math.prod(self.size)
        places = torch.arange(count).view(self.count, 1, -1)  # [W,1,T]
        return self.undo(places).flatten()  # [N]

    def per_image(self, x: Tensor) -> Tensor:
        """The mean over the windows of an image: [B*W,..] -> [B,..]."""
        by_image: Tensor = x.unflatten(0, (-1, self.count))  # [B,W,..]
        return by_image.mean(1)  # [B,..]
