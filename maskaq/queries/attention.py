"""What a model makes of one picture: where it looks, and how alike its patches look around.

The answers behind `quick.attention`, `quick.attribution`, `quick.similarity` and `quick.inspect`,
which describe them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from maskaq.config import QuantOptions
from maskaq.data.folder import labels_in, load_images, transform_of
from maskaq.errors import OptionError
from maskaq.evaluation.attributions import ATTRIBUTIONS, AttributionTask
from maskaq.models.attention import Maps, record
from maskaq.models.loading import LoadedModel
from maskaq.precomputed.showcase import Similarity
from maskaq.queries import model_cache
from maskaq.regions.mask import class_attention, patch_attention
from maskaq.regions.similarity import (
    gaussian_entropy,
    kernel_density,
    kernel_entropy,
    patch_similarity,
    similarity_moments,
)

_POINTS = 128  # of a kernel density
_MARGIN = 0.05  # that it reaches beyond the values
_PAIRS = 2**15  # that the kernel density is made of; beyond, every k-th


@torch.no_grad()
def attention(
    name: str,
    weights: str,
    picture: NDArray[np.uint8],
    query: int | None,
    bits: tuple[int, int],
    samples: NDArray[np.uint8] | None,
) -> dict[str, Any]:
    """See `quick.attention`."""
    loaded = model_cache.model(name, weights)
    _check_query(query, loaded)
    image = seen(loaded, picture)  # [3,S,S]
    inputs = loaded.normalise(image[None])  # [1,3,S,S]
    maps = _maps(loaded.model, inputs)
    q = None
    if samples is not None and len(samples):
        other = model_cache.fitted(name, weights, samples, QuantOptions(*bits))
        q = _rows(_maps(other, inputs), loaded.prefix, query)
    return {
        "image": image.numpy(),
        "p": _rows(maps, loaded.prefix, query),
        "q": q,
        "alpha": patch_attention(maps, loaded.prefix)[0].numpy(),  # [N]
    }


def attribution(
    name: str,
    weights: str,
    picture: NDArray[np.uint8],
    method: str,
    bits: tuple[int, int],
    samples: NDArray[np.uint8] | None,
) -> dict[str, Any]:
    """See `quick.attribution`."""
    weigh = ATTRIBUTIONS[method]
    loaded = model_cache.model(name, weights)
    image = seen(loaded, picture)  # [3,S,S]
    inputs = loaded.normalise(image[None])  # [1,3,S,S]
    with torch.no_grad():
        targets = loaded.model(inputs).argmax(-1)  # [1]
    p = AttributionTask(loaded.model, inputs, targets, loaded.grid, loaded.prefix)
    q = None
    if samples is not None and len(samples):
        other = model_cache.fitted(name, weights, samples, QuantOptions(*bits))
        q = weigh(p._replace(model=other))[0].float().numpy()  # [N]
    return {"image": image.numpy(), "p": weigh(p)[0].float().numpy(), "q": q}


@torch.no_grad()
def similarity(name: str, weights: str, picture: NDArray[np.uint8]) -> dict[str, Any]:
    """See `quick.similarity`."""
    loaded = model_cache.model(name, weights)
    image = seen(loaded, picture)  # [3,S,S]
    maps = _maps(loaded.model, loaded.normalise(image[None]))
    skip = loaded.prefix
    patches = torch.stack([block.probs[0].mean(0)[skip:, skip:] for block in maps])  # [L,N,N]
    return {"image": image.numpy(), "blocks": [one._asdict() for one in similarities(patches)]}


def similarities(patches: Tensor) -> list[Similarity]:
    """How alike the rows of every block are, from attention between patches [L,N,N]."""
    matrix = patch_similarity(patches)  # [L,N,N]
    mean, variance = similarity_moments(patches, diagonal=False)  # [L]
    upper = torch.triu_indices(len(matrix[0]), len(matrix[0]), offset=1)  # [2,pairs]
    found = []
    for block, values in enumerate(matrix[:, upper[0], upper[1]]):  # [pairs]
        some = values[:: -(-len(values) // _PAIRS)]  # [fewer]
        points = torch.linspace(float(some.min()) - _MARGIN, float(some.max()) + _MARGIN, _POINTS)
        found.append(
            Similarity(
                matrix=matrix[block].numpy(),
                values=values.numpy(),
                mean=float(mean[block]),
                std=float(variance[block]) ** 0.5,
                kde_x=points.numpy(),
                kde_y=kernel_density(some, points).numpy(),
                gaussian=float(gaussian_entropy(variance[block])),
                kernel=float(kernel_entropy(some)),
            )
        )
    return found


def inspect(name: str, weights: str, folder: str) -> dict[str, Any]:
    """See `quick.inspect`."""
    loaded = model_cache.model(name, weights)
    classes = len(loaded.class_names)
    labels: list[int] = []
    if folder:
        config, synsets = loaded.data_config, loaded.synsets
        labels = labels_in(folder, synsets=synsets, classes=classes)
        load_images(folder, config, synsets=synsets, classes=classes, limit=1)  # can one be read?
    return {
        "classes": classes,
        "size": loaded.size,
        "images": len(labels),
        "labels": len(set(labels)),
    }


def seen(loaded: LoadedModel, picture: NDArray[np.uint8]) -> Tensor:
    """A picture uint8 [H,W,3] as the model's preprocessing leaves it: uint8 [3,S,S]."""
    image: Tensor = transform_of(loaded.data_config)(Image.fromarray(picture))
    return image


def _check_query(query: int | None, loaded: LoadedModel) -> None:
    count = loaded.grid[0] * loaded.grid[1]
    if query is not None and not 0 <= query < count:
        raise OptionError(f"patch is {query!r}; {loaded.name} has patches 0 to {count - 1}.")


def _maps(model: nn.Module, inputs: Tensor) -> Sequence[Maps]:
    with record(model) as maps:
        model(inputs)
    return maps


def _rows(maps: Sequence[Maps], prefix: int, query: int | None) -> NDArray[np.float32]:
    """What one query pays to the patches, of the first image: [L,H,N]."""
    probs = torch.stack([block.probs[0] for block in maps])  # [L,H,T,T]
    of_patch = None if query is None else probs[:, :, prefix + query, prefix:]  # [L,H,N]
    rows = class_attention(probs, prefix) if of_patch is None else of_patch
    found: NDArray[np.float32] = rows.float().numpy()
    return found
