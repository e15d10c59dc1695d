"""Dense models of transformers as maps from images to one tensor, in the form of their task."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from maskaq.errors import OptionError
from maskaq.models.arguments import tensors_in
from maskaq.models.structure import example_input


@dataclass(frozen=True)
class PatchGrid:
    """img_size: height and width of the images in pixels. patch_size: of a patch. grid_size:
    patches in rows and columns, at the finest resolution."""

    img_size: tuple[int, int]
    patch_size: tuple[int, int]
    grid_size: tuple[int, int]

    @property
    def num_patches(self) -> int:
        """Patches per image."""
        return math.prod(self.grid_size)


class DenseModel(nn.Module):
    """A model of transformers that takes images of one size.

    Its attributes have the names that timm's models have.

    Args:
        model: of transformers.
        outputs: names in it of the layers that compute the outputs.
        patches: of the images that it takes.
        prefix: number of tokens before the patches.
    """

    def __init__(
        self, model: nn.Module, outputs: tuple[str, ...], patches: PatchGrid, prefix: int
    ) -> None:
        super().__init__()
        self.model = model
        self.patch_embed = patches
        self.num_prefix_tokens = prefix
        self._outputs, self._widest = outputs, 0

    @property
    def embed_dim(self) -> int:
        """Width of the tokens that would take as much memory as this model does, if the widest
        activation were four times as wide as they are."""
        tokens = self.patch_embed.num_patches + self.num_prefix_tokens
        return math.ceil(self._widest / (4 * tokens))

    def get_classifier(self) -> tuple[nn.Module, ...]:
        """The layers that compute the outputs."""
        return tuple(self.model.get_submodule(name) for name in self._outputs)

    def set_input_size(self, size: tuple[int, int]) -> None:
        """Not supported: the size is an argument of `load_dense`.

        Raises:
            OptionError: always.
        """
        height, width = self.patch_embed.img_size
        raise OptionError(
            f"{type(self.model).__name__} was loaded for images of {height} x {width} pixels and "
            f"cannot change to {size[0]} x {size[1]}; set savings.coarse to 0."
        )

    @torch.no_grad()
    def measure(self) -> None:
        """Run one image to find the widest activation, for `embed_dim`."""
        sizes: list[int] = []

        def note(module: nn.Module, args: Any, out: Any) -> None:
            sizes.extend(x.numel() for x in tensors_in(out))

        hooks = [module.register_forward_hook(note) for module in self.modules()]
        try:
            self(example_input(self))
        finally:
            for hook in hooks:
                hook.remove()
        self._widest = max(sizes)


class Segmenter(DenseModel):
    """Segmentation: logits [B,K,h,w], at the resolution of the model."""

    reads_patches = True  # see `mark_attention`

    def forward(self, x: Tensor) -> Tensor:
        """Logits [B,K,h,w] of normalised images [B,3,H,W]."""
        logits: Tensor = self.model(pixel_values=x).logits
        return logits


class Detector(DenseModel):
    """Detection: proposals [B,N,K+5], one for each detection token."""

    def forward(self, x: Tensor) -> Tensor:
        """Proposals of normalised images [B,3,H,W]: K + 1 logits, the last of "no object"; then
        left, top, right and bottom as shares of the image's sides."""
        found = self.model(pixel_values=x)
        centres, sizes = found.pred_boxes.split(2, -1)  # [B,N,2] each
        low, high = centres - sizes / 2, centres + sizes / 2  # [B,N,2] each
        return torch.cat([found.logits, low, high], -1)  # [B,N,K+5]


WRAPPERS: dict[str, type[DenseModel]] = {"segmentation": Segmenter, "detection": Detector}
