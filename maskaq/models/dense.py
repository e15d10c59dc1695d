"""ViTs with a head on each patch: for segmentation, and for detection.

Both give one tensor in the form that `maskaq.tasks` expects of any model for their task.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor


class PatchModel(VisionTransformer):
    """A ViT whose head maps every patch token to `outputs` numbers."""

    reads_patches = True

    def __init__(self, outputs: int, **options: Any) -> None:
        super().__init__(global_pool="", num_classes=outputs, **options)

    def patch_tokens(self, x: Tensor) -> Tensor:
        """The input of the head for images [B,3,S,S]: [B,N,C]."""
        tokens: Tensor = self.forward_features(x)[:, self.num_prefix_tokens :]  # [B,N,C]
        return tokens

    def assemble(self, outputs: Tensor) -> Tensor:
        """What the model returns, from the outputs of its head [B,N,outputs]."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        return self.assemble(self.head(self.patch_tokens(x)))


class PatchSegmenter(PatchModel):
    """Segmentation: the head gives the logits of all pixels of a patch.

    classes: number of classes K, the background included.
    """

    def __init__(self, classes: int, patch_size: int, **options: Any) -> None:
        super().__init__(classes * patch_size**2, patch_size=patch_size, **options)
        self.classes, self.side = classes, patch_size

    def assemble(self, outputs: Tensor) -> Tensor:
        """Logits [B,K,S,S] from [B,N,K*p*p]."""
        (rows, columns), side = self.patch_embed.grid_size, self.side
        cells = outputs.view(-1, rows, columns, self.classes, side, side)  # [B,r,c,K,p,p]
        cells = cells.permute(0, 3, 1, 4, 2, 5)  # [B,K,r,p,c,p]
        return cells.reshape(-1, self.classes, rows * side, columns * side)  # [B,K,S,S]


class PatchDetector(PatchModel):
    """Detection: each patch proposes a box around its centre (as in FCOS, Tian et al. 2019).

    classes: number of classes K, without the one for "no object".
    """

    def __init__(self, classes: int, **options: Any) -> None:
        super().__init__(classes + 5, **options)
        self.classes = classes

    def assemble(self, outputs: Tensor) -> Tensor:
        """Proposals [B,N,K+5] from [B,N,K+5]: K + 1 logits, the last of "no object"; then left,
        top, right and bottom as shares of the image's sides."""
        logits = outputs[..., : self.classes + 1]  # [B,N,K+1]
        reach = F.softplus(outputs[..., self.classes + 1 :])  # [B,N,4], from the patch's centre
        centres = patch_centres(self.patch_embed.grid_size).to(outputs)  # [N,2]
        low, high = centres - reach[..., :2], centres + reach[..., 2:]  # [B,N,2] each
        return torch.cat([logits, low, high], -1)  # [B,N,K+5]


def patch_centres(grid: tuple[int, int]) -> Tensor:
    """Centres x, y of the patches of a grid of rows and columns, as shares of the sides: [N,2].

    >>> patch_centres((1, 2))
    tensor([[0.2500, 0.5000],
            [0.7500, 0.5000]])
    """
    rows, columns = ((torch.arange(count) + 0.5) / count for count in grid)  # [r], [c]
    y, x = torch.meshgrid(rows, columns, indexing="ij")  # [r,c] each
    return torch.stack([x.flatten(), y.flatten()], 1)  # [N,2]
