"""Judging a model without a classifier: do its features stay the same, and their neighbours?

P and Q map every evaluation image to a vector. Their cosine similarity says how far quantization
turned it. What features are for is comparison, so two more numbers judge these: whether the nearest
neighbour of an image among the other evaluation images stays the same, and the accuracy of
classifying an image by the class of its nearest neighbour (k-NN evaluation with k = 1, as for DINO,
Caron et al., ICCV 2021).
"""

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from maskaq.errors import DataError
from maskaq.evaluation.accuracy import Evaluation, batch_size_for
from maskaq.events import Event
from maskaq.intervals import student, wilson

_NEIGHBOURS = 5  # for top-5
_ROWS = 1000  # of the matrix of similarities at a time


@torch.no_grad()
def evaluate_features(
    p: nn.Module,
    q: nn.Module,
    images: Tensor,
    labels: Tensor,
    normalise: Callable[[Tensor], Tensor],
) -> Iterator[Event | Evaluation]:
    """Run both models on the same images; yields events, then the `Evaluation`.

    Its top-1 is the share of images whose nearest neighbour has their class, top-5 that of images
    for which one of the five nearest has. `agreement` is the share of images with the same nearest
    neighbour in P and Q, and `answers` are the classes of the neighbours.

    Args:
        images: uint8 [N,3,H,W], N at least 2. labels: int64 [N]. normalise: as in `evaluate`.

    Raises:
        DataError: there is one image only.
    """
    if len(images) < 2:
        raise DataError("features are judged by neighbours: pass at least 2 evaluation images.")
    parts: list[Tensor] = []
    batches = images.split(batch_size_for(p))
    for done, batch in enumerate(batches, start=1):
        inputs = normalise(batch)
        features = torch.stack([model(inputs).flatten(1) for model in (p, q)])  # [2,B,C]
        parts.append(F.normalize(features.float(), dim=-1).cpu())
        yield Event("evaluation", done, len(batches))
    both = torch.cat(parts, 1)  # [2,N,C]
    near = torch.stack([nearest(features) for features in both])  # [2,N,k]
    hits = labels[near] == labels[:, None]  # [2,N,k]
    first = torch.where(hits.any(-1), hits.int().argmax(-1), _NEIGHBOURS)  # [2,N]
    count = len(images)
    top1, top5 = (
        tuple(wilson(int(own), count) for own in (first < most).sum(1)) for most in (1, _NEIGHBOURS)
    )
    same = int((near[0, :, 0] == near[1, :, 0]).sum())
    cosine = student((both[0] * both[1]).sum(-1).tolist())
    yield Evaluation(
        (top1[0], top1[1]),
        (top5[0], top5[1]),
        wilson(same, count),
        labels[near[..., 0]],  # [2,N]
        first,
        cosine,
    )


def nearest(features: Tensor) -> Tensor:
    """The nearest other rows of unit features [N,C] by cosine, nearest first: int64 [N,k].

    k is 5, or N - 1 if that is less.

    >>> nearest(torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.8, 0.6]]))[:, 0].tolist()
    [2, 2, 0]
    """
    count = min(_NEIGHBOURS, len(features) - 1)
    found = []
    for first in range(0, len(features), _ROWS):
        rows = features[first : first + _ROWS]  # [n,C]
        similarity = rows @ features.T  # [n,N]
        similarity[torch.arange(len(rows)), torch.arange(first, first + len(rows))] = -torch.inf
        found.append(similarity.topk(count, -1).indices)
    return torch.cat(found)  # [N,k]
