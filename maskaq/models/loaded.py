"""P with its preprocessing and classes, as every part of the library takes it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from maskaq.config.components import TASKS
from maskaq.errors import DataError


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """P with its preprocessing and classes.

    model: float32, in eval mode, frozen. data_config: timm's preprocessing for these weights.
    class_names: one per output; none if the model outputs features. grid: patches in rows and
    columns. prefix: number of tokens before the patches (CLS, distillation, registers). synsets:
    WordNet ids of the classes if they are ImageNet's, else empty. notes: what was decided while
    reading the weights, or assumed about the model. task: a name in `maskaq.tasks.TASKS`.
    """

    name: str
    model: nn.Module
    data_config: Mapping[str, Any]
    class_names: tuple[str, ...]
    grid: tuple[int, int]
    prefix: int
    synsets: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    task: str = "classification"

    @property
    def classifies(self) -> bool:
        """Whether the outputs are the classes of images."""
        return self.task == "classification"

    @property
    def dense(self) -> bool:
        """Whether the outputs say something about every part of an image."""
        return TASKS[self.task].dense

    @property
    def sides(self) -> tuple[int, int]:
        """Height and width of the images in pixels."""
        height, width = self.data_config["input_size"][-2:]
        return int(height), int(width)

    @property
    def size(self) -> int:
        """The longer side of the images in pixels, S."""
        return max(self.sides)

    @property
    def mean(self) -> Tensor:
        """Channel means [1,3,1,1], of images in 0..1."""
        return torch.tensor(self.data_config["mean"]).view(1, 3, 1, 1)

    @property
    def std(self) -> Tensor:
        """Channel standard deviations [1,3,1,1], of images in 0..1."""
        return torch.tensor(self.data_config["std"]).view(1, 3, 1, 1)

    def normalise(self, images: Tensor) -> Tensor:
        """The model's input, float32 [B,3,S,S], from images uint8 or float in 0..1.

        Raises:
            DataError: wrong shape or dtype.
        """
        if images.shape[1:] != (3, *self.sides) or not (
            images.dtype == torch.uint8 or images.is_floating_point()
        ):
            raise DataError(
                f"images are {images.dtype} {list(images.shape)}; {self.name} needs uint8 or float "
                f"in 0..1, [B, 3, {self.sides[0]}, {self.sides[1]}]."
            )
        unit = images.float() / 255 if images.dtype == torch.uint8 else images.float()
        return (unit - self.mean.to(unit.device)) / self.std.to(unit.device)
