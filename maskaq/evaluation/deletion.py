"""Deletion curves: how fast P and Q lose the answer as patches are removed in a given order.

The deletion metric of RISE (Petsiuk et al. 2018), for P and Q. If the semantics are in few
informative patches, as MaskAQ claims, removing those must hurt much sooner than removing others.
The result depends on what replaces a removed patch (a flat colour is itself unusual), so there are
several fills.

Insertion needs no forward passes of its own: inserting informative patches into an empty image,
most informative first, gives the same images as deleting patches, least informative first, in
reverse.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from maskaq.errors import OptionError
from maskaq.evaluation.accuracy import batch_size_for
from maskaq.events import Event
from maskaq.registry import Registry

Fill = Callable[[Tensor, int, torch.Generator], Tensor]
FILLS: Registry[Fill] = Registry("fill")
ORDERS = ("informative", "other", "random")
TENTHS = tuple(step / 10 for step in range(11))
_FLOOR = 1e-12  # lower bound of probabilities
_REACH = 3  # half-width of the blur kernel, in standard deviations


@dataclass(frozen=True, eq=False)
class Curves:
    """Answers of M models, P first, as patches are removed, for K shares and n images.

    shares: [K], of removed patches. hits: bool [M,K,n], correct answers. same: bool [M,K,n],
    answers equal to P's. divergence: [M,K,n], KL(P || model) in bits. moved: [M,K,n], KL in bits
    from a model's answer for the whole image to its answer now.
    """

    shares: Tensor
    hits: Tensor
    same: Tensor
    divergence: Tensor
    moved: Tensor

    def area(self, values: Tensor) -> Tensor:
        """Mean over the shares by the trapezoidal rule, per image: [...,K,n] to [...,n]."""
        width = self.shares[-1] - self.shares[0]
        return torch.trapezoid(values.double(), self.shares.double(), dim=-2) / width


@FILLS.register("mean colour")
def _mean_colour(images: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """Mean colour of each image."""
    return images.mean((2, 3), keepdim=True).expand_as(images)  # [n,3,S,S]


@FILLS.register("blur")
def _blur(images: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """The image blurred by a Gaussian whose standard deviation is the side of a patch."""
    offsets = torch.arange(
        -_REACH * side, _REACH * side + 1, dtype=images.dtype, device=images.device
    )
    kernel = torch.exp(-offsets.square() / (2 * side**2))  # [K]
    kernel = (kernel / kernel.sum()).expand(images.shape[1], 1, 1, -1)  # [3,1,1,K]
    pad = _REACH * side
    while pad:  # one reflection pads by less than the side of the image
        step = min(pad, images.shape[-1] - 1)
        images = F.pad(images, (step, step, step, step), "reflect")  # [n,3,S+2step,S+2step]
        pad -= step
    across = F.conv2d(images, kernel, groups=images.shape[1])  # [n,3,S+2pad,S]
    return F.conv2d(across, kernel.transpose(2, 3), groups=images.shape[1])  # [n,3,S,S]


@FILLS.register("noise")
def _noise(images: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """Normal noise with the mean and standard deviation of each channel of the image."""
    mean, std = images.mean((2, 3), keepdim=True), images.std((2, 3), keepdim=True)  # [n,3,1,1]
    noise = torch.randn(images.shape, generator=generator).to(images)  # [n,3,S,S]
    return mean + std * noise


def ranking(alpha: Tensor, order: str, generator: torch.Generator) -> Tensor:
    """Position of each patch in the order of removal, [n,N], 0 for the first to be removed.

    Args:
        alpha: attention weights [n,N].
        order: `informative` (largest first), `other` (smallest first) or `random`.

    Raises:
        OptionError: unknown order.

    >>> ranking(torch.tensor([[0.1, 0.6, 0.3]]), "informative", torch.Generator()).tolist()
    [[2, 0, 1]]
    """
    if order not in ORDERS:
        raise OptionError(f"order is {order!r}; allowed: {', '.join(ORDERS)}.")
    if order == "random":
        key = torch.rand(alpha.shape, generator=generator).to(alpha.device)
    else:
        key = alpha if order == "other" else -alpha
    return key.argsort(dim=-1, stable=True).argsort(-1)  # [n,N]


def replace_patches(images: Tensor, filled: Tensor, away: Tensor, grid: tuple[int, int]) -> Tensor:
    """Images [n,3,S,S] in which the patches `away`, bool [n,N], are those of `filled`."""
    side = images.shape[2] // grid[0], images.shape[3] // grid[1]
    plane = away.view(-1, 1, *grid).repeat_interleave(side[0], 2)  # [n,1,S,columns]
    return torch.where(plane.repeat_interleave(side[1], 3), filled, images)  # [n,3,S,S]


def patch_counts(shares: Sequence[float], patches: int) -> list[int]:
    """How many of so many patches each share is.

    Raises:
        OptionError: the shares are not ascending in 0..1, or there are fewer than two.

    >>> patch_counts((0, 0.3, 1), 64)
    [0, 19, 64]
    """
    ascending = list(shares) == sorted(set(shares))
    if len(shares) < 2 or not ascending or shares[0] < 0 or shares[-1] > 1:
        raise OptionError(
            f"shares are {list(shares)}; allowed: two or more from 0 to 1, ascending."
        )
    return [round(share * patches) for share in shares]


@torch.no_grad()
def curves(
    models: Sequence[nn.Module],
    images: Tensor,
    labels: Tensor,
    ranks: Tensor,
    grid: tuple[int, int],
    *,
    fill: str = "mean colour",
    shares: Sequence[float] = TENTHS,
    seed: int = 0,
) -> Iterator[Event | Curves]:
    """Run all models on the same images with more and more patches removed.

    Yields events, then the `Curves`.

    Args:
        models: P, then one or more Q.
        images: normalised [n,3,S,S]. labels: int64 [n].
        ranks: order of removal of the patches [n,N], from `ranking`.
        grid: rows and columns of patches.
        fill: a name in `FILLS`, what replaces removed patches.
        shares: of removed patches, ascending, at least two; 0 is the whole image.

    Raises:
        OptionError: unknown fill, or shares that are not ascending in 0..1.
    """
    patches = ranks.shape[1]
    counts = patch_counts(shares, patches)
    fill_in, generator = FILLS[fill], torch.Generator().manual_seed(seed)
    size = batch_size_for(models[0])
    parts: list[list[Tensor]] = []
    batches = list(zip(images.split(size), labels.split(size), ranks.split(size), strict=True))
    for done, (batch, target, rank) in enumerate(batches, start=1):
        filled = fill_in(batch, images.shape[2] // grid[0], generator)
        whole = _log_probs(models, batch)
        rows = []
        for count in counts:
            now = _log_probs(models, replace_patches(batch, filled, rank < count, grid))
            answer = now.argmax(-1)  # [M,B]
            hits, same = answer == target, answer == answer[0]
            rows.append((hits, same, _kl_bits(now[0], now), _kl_bits(whole, now)))
        parts.append([torch.stack(values, 1).cpu() for values in zip(*rows, strict=True)])
        yield Event("deletion", done, len(batches))
    found = (torch.cat(values, 2) for values in zip(*parts, strict=True))  # [M,K,n] each
    exact = torch.tensor(counts) / patches  # [K], shares rounded to whole patches
    yield Curves(exact, *found)


def _log_probs(models: Sequence[nn.Module], images: Tensor) -> Tensor:
    """Log-probabilities [M,B,C]."""
    return torch.stack([model(images) for model in models]).double().log_softmax(-1)


def _kl_bits(first: Tensor, second: Tensor) -> Tensor:
    """KL(first || second) of log-probabilities [...,C], in bits: [...], at least 0."""
    floor = math.log(_FLOOR)
    nats = (first.exp() * (first.clamp(min=floor) - second.clamp(min=floor))).sum(-1)
    return (nats / math.log(2)).clamp(min=0)
