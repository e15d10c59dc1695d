"""Where tokens lie in the image, for attention that `Windows` itself does not describe."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from maskaq.errors import OptionError
from maskaq.models.windows import Windows


@dataclass(frozen=True)
class PaddedWindows(Windows):
    """Windows of an image that is padded first and shifted then; `Windows` shifts first.

    Both are the same where a whole number of windows covers the grid.
    """

    @property
    def _whole(self) -> Windows:
        rows, columns = (n * own for n, own in zip(self.across, self.size, strict=True))
        return Windows((rows, columns), self.size, self.shift)

    def undo(self, x: Tensor) -> Tensor:
        """As `Windows.undo`: [B*W,H,T,..] -> [B,H,N,..]."""
        whole = self._whole
        plane = whole.undo(x).unflatten(2, whole.grid)  # [B,H,rows,columns,..]
        inside: Tensor = plane[:, :, : self.grid[0], : self.grid[1]]
        return inside.flatten(2, 3)  # [B,H,N,..]

    def position(self, token: int) -> tuple[int, int]:
        """The window of a token of the grid, and the token's place in the window."""
        row, column = divmod(token, self.grid[1])
        return self._whole.position(row * self._whole.grid[1] + column)


@dataclass(frozen=True)
class OneWindow(Windows):
    """Attention over the whole image, in one window of the size of the grid.

    before: number of tokens before those of the grid; there may be others after them. keys: rows
    and columns of keys, if a key stands for several tokens of the grid; None if each token has its
    own. The sides of the grid are multiples of these.
    """

    before: int = 0
    keys: tuple[int, int] | None = None

    def undo(self, x: Tensor) -> Tensor:
        """Values per token, or per key, in the order of the grid: [B,H,T,..] -> [B,H,N,..].

        Other tokens are left out. The tokens that a key stands for share its value equally.
        """
        if self.keys is None or x.shape[2] != math.prod(self.keys):
            return x[:, :, self.before : self.before + math.prod(self.grid)]  # [B,H,N,..]
        down, across = (own // key for own, key in zip(self.grid, self.keys, strict=True))
        plane: Tensor = x.unflatten(2, self.keys) / (down * across)  # [B,H,r,c,..]
        large = plane.repeat_interleave(down, 2).repeat_interleave(across, 3)
        return large.flatten(2, 3)  # [B,H,N,..]

    def position(self, token: int) -> tuple[int, int]:
        """The window of a token, which is 0, and the token's place among all."""
        return 0, self.before + token

    def slots(self) -> Tensor:
        """Where each token of the grid is among all tokens: int64 [N].

        Raises:
            OptionError: keys stand for several tokens, so that they have no place among them.
        """
        if self.keys is not None:
            raise OptionError(
                f"attention of {math.prod(self.grid)} tokens to {math.prod(self.keys)} keys has no "
                "rollout and no similarity of patches; allowed: attention, by block."
            )
        return self.before + torch.arange(math.prod(self.grid))
