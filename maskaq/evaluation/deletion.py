"""Take patches away in an order: how fast do P and Q lose the answer?

After RISE (Petsiuk et al. 2018), with Q beside P. If semantics sit in few informative patches, as
MaskAQ claims, taking those away must hurt much sooner than taking others. What is put in their
place is a choice that matters (a flat colour is itself unusual), so there are several.

Insertion needs no passes of its own: putting the informative patches into an empty picture, best
ones first, shows the same pictures as taking the others away, worst ones first, in reverse.
"""

from __future__ import annotations

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

__all__ = ["FILLS", "ORDERS", "Curves", "Fill", "replace_patches", "curves", "ranking"]

Fill = Callable[[Tensor, int, torch.Generator], Tensor]
FILLS: Registry[Fill] = Registry("filling of patches")
ORDERS = ("informative", "other", "random")
TENTHS = tuple(step / 10 for step in range(11))
_FLOOR = 1e-12  # probabilities below count as this
_REACH = 3  # standard deviations of the blur


@dataclass(frozen=True, eq=False)
class Curves:
    """What M models say while patches go, P first. K shares, n images.

    shares: [K], of the patches that are away. hits: bool [M,K,n], right answers. same: bool
    [M,K,n], answers like P's. apart: [M,K,n], KL(P || model) in bits. moved: [M,K,n], KL in bits
    from a model's answer to the whole picture to its answer now.
    """

    shares: Tensor
    hits: Tensor
    same: Tensor
    apart: Tensor
    moved: Tensor

    def area(self, values: Tensor) -> Tensor:
        """Mean over the shares by the trapezoid rule, per image: [...,K,n] to [...,n]."""
        width = self.shares[-1] - self.shares[0]
        return torch.trapezoid(values.double(), self.shares.double(), dim=-2) / width


@FILLS.register("mean colour")
def _mean_colour(images: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """The mean colour of each picture."""
    return images.mean((2, 3), keepdim=True).expand_as(images)  # [n,3,S,S]


@FILLS.register("blur")
def _blur(images: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """The picture behind a Gaussian as wide (standard deviation) as a patch."""
    reach = torch.arange(
        -_REACH * side, _REACH * side + 1, dtype=images.dtype, device=images.device
    )
    kernel = torch.exp(-reach.square() / (2 * side**2))  # [K]
    kernel = (kernel / kernel.sum()).expand(images.shape[1], 1, 1, -1)  # [3,1,1,K]
    pad = _REACH * side
    while pad:  # reflection reaches no further than the picture
        step = min(pad, images.shape[-1] - 1)
        images = F.pad(images, (step, step, step, step), "reflect")  # [n,3,S+2step,S+2step]
        pad -= step
    across = F.conv2d(images, kernel, groups=images.shape[1])  # [n,3,S+2pad,S]
    return F.conv2d(across, kernel.transpose(2, 3), groups=images.shape[1])  # [n,3,S,S]


@FILLS.register("noise")
def _noise(images: Tensor, side: int, generator: torch.Generator) -> Tensor:
    """Pixels of normal noise with the mean and the spread of each channel of the picture."""
    mean, spread = images.mean((2, 3), keepdim=True), images.std((2, 3), keepdim=True)
    drawn = torch.randn(images.shape, generator=generator).to(images)  # [n,3,S,S]
    return mean + spread * drawn


def ranking(alpha: Tensor, order: str, generator: torch.Generator) -> Tensor:
    """The place of each patch in an order, [n,N], 0 for the first one to go.

    Args:
        alpha: attention weights [n,N]. order: `informative` (largest first), `other` (smallest
            first) or `random`.

    Raises:
        OptionError: another order.

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
    """Pictures [n,3,S,S] with the patches `away`, bool [n,N], taken from `filled`."""
    side = images.shape[2] // grid[0], images.shape[3] // grid[1]
    plane = away.view(-1, 1, *grid).repeat_interleave(side[0], 2)  # [n,1,S,columns]
    return torch.where(plane.repeat_interleave(side[1], 3), filled, images)  # [n,3,S,S]


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
    """All models on the same ever more altered pictures; events, then the curves.

    Args:
        models: P, then Q or several. images: normalised [n,3,S,S]. labels: int64 [n]. ranks: of the
            patches [n,N], from `ranking`. grid: rows and columns of patches.
        shares: of the patches that are away, ascending, at least two; 0 is the whole picture.

    Raises:
        OptionError: an unknown filling, or shares that are none.
    """
    ascending = list(shares) == sorted(set(shares))
    if len(shares) < 2 or not ascending or shares[0] < 0 or shares[-1] > 1:
        raise OptionError(
            f"shares are {list(shares)}; allowed: two or more from 0 to 1, ascending."
        )
    make, generator = FILLS[fill], torch.Generator().manual_seed(seed)
    patches = ranks.shape[1]
    counts = [round(share * patches) for share in shares]
    size = batch_size_for(models[0])
    parts: list[list[Tensor]] = []
    batches = list(zip(images.split(size), labels.split(size), ranks.split(size), strict=True))
    for done, (batch, wanted, rank) in enumerate(batches, start=1):
        filled = make(batch, images.shape[2] // grid[0], generator)
        whole = _answers(models, batch)
        rows = []
        for count in counts:
            now = _answers(models, replace_patches(batch, filled, rank < count, grid))
            named = now.argmax(-1)  # [M,B]
            rows.append((named == wanted, named == named[0], _bits(now[0], now), _bits(whole, now)))
        parts.append([torch.stack(values, 1).cpu() for values in zip(*rows, strict=True)])
        yield Event("deletion", done, len(batches))
    found = (torch.cat(values, 2) for values in zip(*parts, strict=True))  # [M,K,n] each
    exact = torch.tensor(counts) / patches  # [K]: shares are whole patches
    yield Curves(exact, *found)


def _answers(models: Sequence[nn.Module], images: Tensor) -> Tensor:
    """Log-probabilities [M,B,C]."""
    return torch.stack([model(images) for model in models]).double().log_softmax(-1)


def _bits(first: Tensor, second: Tensor) -> Tensor:
    """KL(first || second) of log-probabilities [...,C], in bits: [...], never below 0."""
    floor = math.log(_FLOOR)
    apart = (first.exp() * (first.clamp(min=floor) - second.clamp(min=floor))).sum(-1)
    return (apart / math.log(2)).clamp(min=0)
