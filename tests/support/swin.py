"""A small Swin with random weights, and its attention between all tokens in plain loops."""

import torch
from timm.models.swin_transformer import SwinTransformer
from torch import Tensor

from maskaq.models.attention import Maps
from maskaq.models.loading import LoadedModel

CONFIG = {"input_size": (3, 32, 32), "mean": (0.5,) * 3, "std": (0.5,) * 3}
CONFIG |= {"interpolation": "bicubic", "crop_pct": 1.0, "crop_mode": "center"}


def small_swin(window: int = 4, heads: tuple[int, ...] = (2, 4)) -> LoadedModel:
    """Two stages of two blocks, 8x8 and 4x4 tokens; the second block shifts its windows."""
    torch.manual_seed(0)
    model = SwinTransformer(
        img_size=32,
        patch_size=4,
        window_size=window,
        embed_dim=16,
        depths=(2, 2),
        num_heads=heads,
        num_classes=5,
    )
    for parameter in model.parameters():
        if parameter.ndim > 1:
            torch.nn.init.normal_(parameter, std=1.5 / parameter.shape[-1] ** 0.5)
    model.eval().requires_grad_(False)
    names = tuple(f"class {number}" for number in range(5))
    return LoadedModel("swin", model, CONFIG, names, (8, 8), 0)


def between_tokens(block: Maps) -> Tensor:
    """Attention between all tokens of the grid, 0 between windows: [B,H,M,M]."""
    own = block.windows
    tokens = own.grid[0] * own.grid[1]
    full = torch.zeros(len(block.probs) // own.count, block.probs.shape[1], tokens, tokens)
    for image in range(len(full)):
        for query in range(tokens):
            for key in range(tokens):
                (window, row), (other, column) = own.position(query), own.position(key)
                if window == other:
                    value = block.probs[image * own.count + window, :, row, column]
                    full[image, :, query, key] = value
    return full
