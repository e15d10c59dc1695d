"""Prefix tokens and patches apart: a range for each kind of token.

The class token speaks for the whole image and its activations differ from those of a patch (in
ViT-Tiny by a factor of 0.3 to 2.4 in amplitude). As one token of 197 it hardly counts in the search
for a common range, but it alone decides the answer. An integer product can have a step for each row
of its left operand, so that linear layers lose nothing by it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from maskaq.quantization.quantizers.base import Quantizer

__all__ = ["ByToken", "parts"]


class ByToken(nn.Module):
    """Rounds the first tokens of x [B,T,C] with one quantizer and the others with another.

    count: how many come first, at least one.
    """

    def __init__(self, count: int, make: Callable[[], Quantizer]) -> None:
        super().__init__()
        self.count = count
        self.prefix, self.patches = make(), make()

    def forward(self, x: Tensor) -> Tensor:
        first: Tensor = self.prefix(x[:, : self.count])  # [B,count,C]
        if x.shape[1] <= self.count:  # nobody reads the patches of the last block
            return first
        return torch.cat([first, self.patches(x[:, self.count :])], 1)  # [B,T,C]


def parts(inputs: nn.Module) -> Iterator[Quantizer]:
    """The quantizers of a layer's input: one, or one for each kind of token."""
    found = (inputs.prefix, inputs.patches) if isinstance(inputs, ByToken) else (inputs,)
    yield from found  # type: ignore[misc]
