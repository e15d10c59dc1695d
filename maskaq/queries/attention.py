"""Attention, attributions and patch similarities of one picture."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from maskaq.data.folder import transform_of
from maskaq.errors import OptionError
from maskaq.evaluation.attributions import ATTRIBUTIONS, WITHOUT_CLASS, AttributionTask
from maskaq.models.attention import Maps, record
from maskaq.models.loading import LoadedModel
from maskaq.precomputed.showcase import Similarity
from maskaq.queries import model_cache
from maskaq.regions.mask import attention_of_query, patch_attention
from maskaq.regions.similarity import (
    gaussian_entropy,
    kernel_density,
    kernel_entropy,
    patch_similarity,
    similarity_moments,
)

Pixels = NDArray[np.uint8]

_POINTS = 128  # at which a kernel density is evaluated
_MARGIN = 0.05  # of the density's range beyond the values, at both ends
_MOST = 1600  # patches whose similarities are shown
_PAIRS = 2**15  # at most for a kernel density; of more values every k-th is used


@torch.no_grad()
def attention(
    model: str,
    weights: str,
    picture: Pixels,
    query: int | None = None,
    weight_bits: int = 4,
    activation_bits: int = 4,
    samples: Pixels | None = None,
    class_names: str = "",
) -> dict[str, Any]:
    """Attention of P and Q from one query to every patch of a picture.

    Args:
        model, weights, class_names: as in `RunSpec`.
        picture: uint8 [H,W,3]; it goes through the model's own preprocessing.
        query: a patch; None for the class token, or for the mean over patches in a model without.
        samples: uint8 [n,3,S,S], calibration images of Q; None for no Q.

    Returns:
        image: uint8 [3,S,S], after preprocessing. p: float32 [L,H,N], attention probabilities, NaN
        for heads that a block does not have. q: the same of Q, or None. alpha: float32 [N], P's
        attention weight of each patch (MaskAQ Eq. 4). said: for `p`, and for `q` if there is one,
        the predicted class and its probability. class_token: whether the model has one.

    Raises:
        MaskaqError: the model cannot be loaded, the samples do not fit it, or there is no such
            patch.
    """
    loaded = model_cache.named(model, weights, class_names)
    check_patches(loaded, () if query is None else (query,))
    image = preprocessed(loaded, picture)  # [3,S,S]
    inputs = loaded.normalise(image[None])  # [1,3,S,S]
    maps, logits = _look(loaded.model, inputs)
    said, q = {"p": _said(loaded, logits)}, None
    q_model = model_cache.q_of(model, weights, samples, weight_bits, activation_bits)
    if q_model is not None:
        q_maps, logits = _look(q_model, inputs)
        said["q"], q = _said(loaded, logits), _rows(q_maps, loaded, query)
    return {
        "image": image.numpy(),
        "p": _rows(maps, loaded, query),
        "q": q,
        "alpha": patch_attention(maps, loaded.prefix)[0].numpy(),  # [N]
        "said": said,
        "class_token": loaded.prefix > 0,
    }


def attribution(
    model: str,
    weights: str,
    picture: Pixels,
    method: str = "attention",
    weight_bits: int = 4,
    activation_bits: int = 4,
    samples: Pixels | None = None,
) -> dict[str, Any]:
    """The importance of every patch of a picture for the class that P predicts.

    Args:
        method: name in `maskaq.evaluation.attributions.ATTRIBUTIONS`. Others as in `attention`.

    Returns:
        image: uint8 [3,S,S], after preprocessing. p: float32 [N]. q: the same of Q, or None.

    Raises:
        MaskaqError: as `attention`, or there is no such method.
    """
    attribute = ATTRIBUTIONS[method]
    loaded = model_cache.model(model, weights)
    if not loaded.classifies and method not in WITHOUT_CLASS:
        raise OptionError(
            f"{method} explains a class, and {loaded.name} outputs features; choose "
            f"{' or '.join(WITHOUT_CLASS)}."
        )
    image = preprocessed(loaded, picture)  # [3,S,S]
    inputs = loaded.normalise(image[None])  # [1,3,S,S]
    with torch.no_grad():
        targets = loaded.model(inputs).argmax(-1)  # [1]
    task = AttributionTask(loaded.model, inputs, targets, loaded.grid, loaded.prefix)
    p, q = attribute(task)[0].float().numpy(), None  # [N]
    q_model = model_cache.q_of(model, weights, samples, weight_bits, activation_bits)
    if q_model is not None:
        q = attribute(task._replace(model=q_model))[0].float().numpy()  # [N]
    return {"image": image.numpy(), "p": p, "q": q}


@torch.no_grad()
def similarity(model: str, weights: str, picture: Pixels) -> dict[str, Any]:
    """How similar the attention of P's patches is in a picture (MaskAQ Eq. 5 to 10).

    Args:
        model, weights, picture: as in `attention`.

    Returns:
        image: uint8 [3,S,S], after preprocessing. blocks: for each block a dict with the fields of
        `maskaq.precomputed.showcase.Similarity`.

    Raises:
        MaskaqError: the model cannot be loaded.
    """
    loaded = model_cache.model(model, weights)
    image = preprocessed(loaded, picture)  # [3,S,S]
    maps, _ = _look(loaded.model, loaded.normalise(image[None]))
    if maps[0].windows is None:
        skip = loaded.prefix
        patches = torch.stack([block.probs[0].mean(0)[skip:, skip:] for block in maps])  # [L,N,N]
        found = similarities(patches)
    else:
        found = [window_similarity(block, loaded.grid) for block in maps]
    return {"image": image.numpy(), "blocks": [one._asdict() for one in found]}


def similarities(patches: Tensor) -> list[Similarity]:
    """Similarity of the rows of every block, from attention between patches [L,N,N]."""
    matrix = patch_similarity(patches)  # [L,N,N]
    mean, variance = similarity_moments(patches, diagonal=False)  # [L]
    upper = torch.triu_indices(len(matrix[0]), len(matrix[0]), offset=1)  # [2,pairs]
    blocks = []
    for block, values in enumerate(matrix[:, upper[0], upper[1]]):  # [pairs]
        blocks.append(_similarity(matrix[block], values, mean[block], variance[block]))
    return blocks


def _similarity(matrix: Tensor, values: Tensor, mean: Tensor, variance: Tensor) -> Similarity:
    subset = values[:: -(-len(values) // _PAIRS)]  # [fewer]
    low, high = float(subset.min()) - _MARGIN, float(subset.max()) + _MARGIN
    points = torch.linspace(low, high, _POINTS)
    return Similarity(
        matrix=matrix.numpy(),
        values=values.numpy(),
        mean=float(mean),
        std=float(variance) ** 0.5,
        kde_x=points.numpy(),
        kde_y=kernel_density(subset, points).numpy(),
        gaussian=float(gaussian_entropy(variance)),
        kernel=float(kernel_entropy(subset)),
    )


def window_similarity(block: Maps, grid: tuple[int, int]) -> Similarity:
    """Similarity of the rows within the windows of a block, in the first image.

    Patches of different windows are not compared: NaN in the matrix, [N,N] on the finest grid.
    Mean and variance are those of all pairs within a window.

    Raises:
        OptionError: more patches than can be shown.
    """
    patches, own = grid[0] * grid[1], block.windows
    assert own is not None, "the caller knows"
    if patches > _MOST:
        raise OptionError(
            f"the similarity of {patches} patches is too large to show; allowed: {_MOST}."
        )
    rows = block.probs[: own.count].mean(1)  # [W,T,T]
    pairs = patch_similarity(rows)  # [W,T,T]
    tokens = pairs.shape[-1]
    slots = own.slots()  # [M]
    window, place = slots // tokens, slots % tokens  # [M] each
    matrix = pairs[window[:, None], place[:, None], place]  # [M,M]
    matrix = matrix.masked_fill(window[:, None] != window, torch.nan)
    tokens_of_patches = own.tokens_at(grid)  # [N]
    upper = torch.triu_indices(tokens, tokens, offset=1)  # [2,pairs]
    values = pairs[:, upper[0], upper[1]].flatten()
    mean, variance = values.mean(), values.var(correction=0)
    return _similarity(matrix[tokens_of_patches][:, tokens_of_patches], values, mean, variance)


def check_patches(loaded: LoadedModel, patches: Sequence[int]) -> None:
    """Check that a model has these patches.

    Raises:
        OptionError: it lacks one of them.
    """
    count = loaded.grid[0] * loaded.grid[1]
    for patch in patches:
        if not 0 <= patch < count:
            raise OptionError(f"patch is {patch!r}; {loaded.name} has patches 0 to {count - 1}.")


def preprocessed(loaded: LoadedModel, picture: Pixels) -> Tensor:
    """A picture uint8 [H,W,3] after the model's resizing and cropping: uint8 [3,S,S]."""
    image: Tensor = transform_of(loaded.data_config)(Image.fromarray(picture))
    return image


def _look(model: nn.Module, inputs: Tensor) -> tuple[Sequence[Maps], Tensor]:
    """The attention maps of every block, and the logits [B,K]."""
    with record(model) as maps:
        logits: Tensor = model(inputs)
    return maps, logits


def _said(loaded: LoadedModel, logits: Tensor) -> tuple[str, float]:
    """The predicted class of the first image, and its probability; "" and 0 without classes."""
    if not loaded.classifies:
        return "", 0.0
    probability, number = logits[0].softmax(-1).max(-1)
    return loaded.class_names[int(number)], float(probability)


def _rows(maps: Sequence[Maps], loaded: LoadedModel, query: int | None) -> NDArray[np.float32]:
    """Attention of one query to the patches of the first image: [L,H,N]."""
    rows = [attention_of_query(block, loaded.prefix, query, loaded.grid) for block in maps]
    heads = max(len(block) for block in rows)
    found = torch.full((len(rows), heads, rows[0].shape[-1]), torch.nan)
    for own, block in zip(found, rows, strict=True):
        own[: len(block)] = block
    values: NDArray[np.float32] = found.numpy()
    return values
