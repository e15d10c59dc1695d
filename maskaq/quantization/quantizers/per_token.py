"""Separate ranges for prefix tokens and patches.

The class token represents the whole image, and its activations differ from those of a patch (in
ViT-Tiny by a factor of 0.3 to 2.4 in amplitude). As one token of 197 it has little weight in the
search for a common range, although it alone determines the logits. Integer matrix products allow
one step size per row of the left operand, so a linear layer costs no more with two ranges.
"""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from maskaq.quantization.quantizers.base import Quantizer


class PerToken(nn.Module):
    """Quantizes the prefix tokens of x [B,T,C] with one quantizer and the patches with another.

    Args:
        count: prefix tokens, at least 1.
        make: makes each of the two quantizers.
    """

    def __init__(self, count: int, make: Callable[[], Quantizer]) -> None:
        super().__init__()
        self.count = count
        self.prefix, self.patches = make(), make()

    def forward(self, x: Tensor) -> Tensor:
        prefix: Tensor = self.prefix(x[:, : self.count])  # [B,count,C]
        if x.shape[1] <= self.count:  # nothing reads the patches of the last block
            return prefix
        return torch.cat([prefix, self.patches(x[:, self.count :])], 1)  # [B,T,C]


def input_quantizers(module: nn.Module) -> Iterator[Quantizer]:
    """The quantizers in a layer's `input_quantizer`: itself, or the two of a `PerToken`."""
    pair = (module.prefix, module.patches) if isinstance(module, PerToken) else (module,)
    yield from pair  # type: ignore[misc]
