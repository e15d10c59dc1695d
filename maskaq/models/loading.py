"""Load P by name, with the preprocessing and class names that belong to its weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import huggingface_hub
import timm
import torch
from huggingface_hub import constants
from huggingface_hub.errors import LocalEntryNotFoundError
from timm.data import ImageNetInfo, infer_imagenet_subset, resolve_model_data_config
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from maskaq.errors import DataError, ModelError, OptionError
from maskaq.models.architectures import BUNDLED, build, check_name
from maskaq.models.weights import first_line, head_classes, load_weights, read_weights

_HUB_TIMEOUT = 5.0  # seconds


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """P with its preprocessing and classes.

    model: float32, in eval mode, frozen. data_config: timm's preprocessing for these weights.
    class_names: one per output. grid: patches in rows and columns. prefix: number of tokens before
    the patches (CLS, distillation, registers). synsets: WordNet ids of the classes if they are
    ImageNet's, else empty.
    """

    name: str
    model: nn.Module
    data_config: Mapping[str, Any]
    class_names: tuple[str, ...]
    grid: tuple[int, int]
    prefix: int
    synsets: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """Side S of the images in pixels."""
        return int(self.data_config["input_size"][-1])

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
        if images.shape[1:] != (3, self.size, self.size) or not (
            images.dtype == torch.uint8 or images.is_floating_point()
        ):
            raise DataError(
                f"images are {images.dtype} {list(images.shape)}; {self.name} needs uint8 or float "
                f"in 0..1, [B, 3, {self.size}, {self.size}]."
            )
        unit = images.float() / 255 if images.dtype == torch.uint8 else images.float()
        return (unit - self.mean.to(unit.device)) / self.std.to(unit.device)


def load_model(
    name: str, weights: str | Path | None = None, class_names: Sequence[str] | None = None
) -> LoadedModel:
    """Load a bundled model, or any plain ViT or DeiT of timm.

    Args:
        name: `scenes_vit` or a timm name, such as `deit_tiny_patch16_224`.
        weights: a safetensors or PyTorch file, which sets the number of classes; None or "" loads
            the bundled or pretrained weights.
        class_names: one per class; None takes the bundled or ImageNet's names, where they fit.

    Raises:
        ModelError: unknown or unsupported name, or no pretrained weights are available.
        WeightsError: the file cannot be read or does not fit.
        OptionError: wrong number of class names.
    """
    check_name(name)
    model = _from_file(name, weights) if weights or name in BUNDLED else _pretrained(name)
    if model.num_classes < 1:
        raise ModelError(
            f"{name} outputs features, not classes; pass --weights with a file that has a "
            "classification head, or a name from `python -m maskaq models`."
        )
    model.eval().requires_grad_(False)
    config = BUNDLED[name].data_config if name in BUNDLED else resolve_model_data_config(model)
    names, synsets = _classes(name, model.num_classes, class_names)
    rows, columns = model.patch_embed.grid_size
    return LoadedModel(
        name, model, config, names, (rows, columns), model.num_prefix_tokens, synsets
    )


def _from_file(name: str, weights: str | Path | None) -> VisionTransformer:
    path = Path(weights) if weights else BUNDLED[name].checkpoint
    if not weights and not path.is_file():
        raise ModelError(
            f"the checkpoint of {name} is missing at {path}; reinstall maskaq, or train it with "
            "`python -m maskaq.models.train`."
        )
    state = read_weights(path)
    model = build(name, head_classes(state))
    load_weights(model, state, path)
    return model


def _pretrained(name: str) -> VisionTransformer:
    """A timm model with timm's pretrained weights, from the local cache or the network."""
    config: Any = build(name).pretrained_cfg
    option = f"`--model {name} --weights FILE` (safetensors, or a PyTorch state dict)"
    if not config.get("hf_hub_id"):
        raise ModelError(f"timm has no pretrained weights for {name}; pass {option}.")
    if not infer_imagenet_subset(config):
        raise ModelError(
            f"the pretrained weights of {name} output features, not classes; pass {option} of a "
            "classifier, or a name from `python -m maskaq models`."
        )
    file = config.get("hf_hub_filename") or constants.SAFETENSORS_SINGLE_FILE
    try:
        path = _fetch(config["hf_hub_id"], file)
    except Exception as error:  # the exception types differ between versions of the hub client
        url = f"{constants.ENDPOINT}/{config['hf_hub_id']}/resolve/main/{file}"
        raise ModelError(
            f"no pretrained weights for {name} from the model hub ({type(error).__name__}: "
            f"{first_line(error)}). Download {url} on a machine with network access, and pass "
            f"{option}."
        ) from error
    overlay = {"file": path, "custom_load": False}
    model = timm.create_model(name, pretrained=True, pretrained_cfg_overlay=overlay)
    assert isinstance(model, VisionTransformer)  # checked by `build`
    return model


def _fetch(repository: str, file: str) -> str:
    """Local path of a file of the model hub; fails at once without a network.

    The hub's client retries for most of a minute, so a short request is sent first.
    """
    try:
        return huggingface_hub.hf_hub_download(repository, file, local_files_only=True)
    except LocalEntryNotFoundError:
        if constants.HF_HUB_OFFLINE:
            raise
    try:
        urlopen(Request(constants.ENDPOINT, method="HEAD"), timeout=_HUB_TIMEOUT).close()
    except HTTPError as response:  # an answer, so there is a network
        response.close()
    return huggingface_hub.hf_hub_download(repository, file)


def _classes(
    name: str, count: int, given: Sequence[str] | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Class names, and synsets if the classes are ImageNet's."""
    if given is not None:
        if len(given) != count:
            raise OptionError(f"{len(given)} class names for {count} classes of {name}.")
        return tuple(given), ()
    if name in BUNDLED:
        return BUNDLED[name].class_names, ()
    subset = infer_imagenet_subset({"num_classes": count})
    if subset is None:
        return tuple(f"class {index}" for index in range(count)), ()
    info = ImageNetInfo(subset)
    return tuple(info.label_descriptions()), tuple(info.label_names())
