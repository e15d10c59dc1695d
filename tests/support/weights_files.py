"""Small models and files of weights, as training scripts leave them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import timm
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

NAME = "test_vit"  # timm's smallest plain ViT, for 160 x 160 pixels
CLASSES = 3


def model_of(name: str = NAME, classes: int = CLASSES, seed: int = 0, **options: Any) -> nn.Module:
    """A random model of timm, in eval mode, whose answers depend on the image and the class."""
    torch.manual_seed(seed)
    model = timm.create_model(name, num_classes=classes, **options).eval()
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.3)
    return model.requires_grad_(False)


def state_of(model: nn.Module) -> dict[str, Tensor]:
    """A copy of a model's state dict."""
    return {key: value.clone() for key, value in model.state_dict().items()}


def save_shards(state: Mapping[str, Tensor], folder: Path, ending: str = "safetensors") -> Path:
    """Save a state dict as two files with an index, as transformers does; returns the index."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = "model" if ending == "safetensors" else "pytorch_model"
    places = {}
    for number, keys in enumerate((list(state)[::2], list(state)[1::2]), 1):
        file = f"{stem}-{number:05}-of-00002.{ending}"
        shard = {key: state[key] for key in keys}
        if ending == "safetensors":
            save_file(shard, folder / file)
        else:
            torch.save(shard, folder / file)
        places |= dict.fromkeys(keys, file)
    index = folder / f"{stem}.{ending}.index.json"
    index.write_text(json.dumps({"metadata": {"total_size": 1}, "weight_map": places}))
    return index
