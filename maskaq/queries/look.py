"""What the first page shows of one picture: answers and the attention of every block and head.

Arrays are small enough to be sent to a browser: attention has 8 bits, and the attention between all
tokens is compressed.
"""

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from maskaq.config import QuantOptions
from maskaq.models.attention import Maps, record
from maskaq.models.loading import LoadedModel
from maskaq.queries import model_cache
from maskaq.queries.attention import Pixels, preprocessed
from maskaq.regions.mask import class_attention, patch_attention

ANSWERS = 5  # classes of largest probability
LEVELS = 255  # of the square root of a probability
_LARGEST = 16 << 20  # bytes of attention between all tokens, before compression


def look(model: str, weights: str, picture: Pixels) -> dict[str, Any]:
    """P's view of a picture.

    Args:
        model, weights: as in `RunSpec`.
        picture: uint8 [H,W,3]; it goes through the model's own preprocessing.

    Returns:
        image: uint8 [3,S,S], after preprocessing. names: of the classes. The others as `look_at`.

    Raises:
        MaskaqError: the model cannot be loaded.
    """
    loaded = model_cache.model(model, weights)
    image = preprocessed(loaded, picture)  # [3,S,S]
    return look_at(loaded, loaded.model, image[None])[0] | {
        "image": image.numpy(),
        "names": loaded.class_names,
    }


def look_q(
    model: str,
    weights: str,
    picture: Pixels,
    samples: Pixels,
    weight_bits: int = 4,
    activation_bits: int = 4,
) -> dict[str, Any]:
    """The view of a Q whose ranges are fitted to existing images.

    Args:
        samples: uint8 [n,3,S,S], calibration images. Others as in `look`.

    Returns:
        classes, probabilities and cls, as `look_at`.

    Raises:
        MaskaqError: the model cannot be loaded, or the samples do not fit it.
    """
    loaded = model_cache.model(model, weights)
    options = QuantOptions(weight_bits, activation_bits)
    q = model_cache.fitted(model, weights, samples, options)
    return look_at(loaded, q, preprocessed(loaded, picture)[None], complete=False)[0]


@torch.no_grad()
def look_at(
    loaded: LoadedModel, model: nn.Module, images: Tensor, *, complete: bool = True
) -> list[dict[str, Any]]:
    """The view of P, or of a Q made from it, for each of some images uint8 [B,3,S,S].

    Args:
        complete: whether to include `alpha` and `full`.

    Returns:
        One dict per image. classes: int32 [5], and probabilities: float32 [5], the largest first;
        fewer if there are fewer classes.
        cls: uint8 [L,H,N], attention of the class token to every patch. alpha: float32 [N], weight
        of each patch (MaskAQ Eq. 4). full: attention between all tokens, uint8 [L,H,T,T] compressed
        to uint8 [bytes] with zlib; absent if that is more than 16 MB. Attention is stored as
        `encoded` describes.
    """
    with record(model) as maps:
        logits = model(loaded.normalise(images))  # [B,K]
    top = logits.softmax(-1).topk(min(ANSWERS, len(loaded.class_names)))  # [B,5]
    alpha = patch_attention(maps, loaded.prefix).numpy()  # [B,N]
    rows = torch.stack([class_attention(one.probs, loaded.prefix) for one in maps], 1)  # [B,L,H,N]
    views = []
    for number in range(len(images)):
        view = {
            "classes": top.indices[number].int().numpy(),
            "probabilities": top.values[number].float().numpy(),
            "cls": encoded(rows[number]),
        }
        if complete:
            view["alpha"] = alpha[number]
            view |= _full(maps, number)
        views.append(view)
    return views


def encoded(probs: Tensor) -> NDArray[np.uint8]:
    """Probabilities in 8 bits, as 255 times their square root, which keeps small ones apart.

    >>> encoded(torch.tensor([0.0, 0.01, 1.0])).tolist()
    [0, 26, 255]
    """
    levels: NDArray[np.uint8] = (probs.float().sqrt() * LEVELS).round().byte().numpy()
    return levels


def _full(maps: Sequence[Maps], number: int) -> dict[str, NDArray[np.uint8]]:
    shape = len(maps), *maps[0].probs.shape[1:]
    if np.prod(shape) > _LARGEST:
        return {}
    probs = torch.stack([one.probs[number] for one in maps])  # [L,H,T,T]
    return {"full": np.frombuffer(zlib.compress(encoded(probs).tobytes(), 9), np.uint8)}
