"""Activation shift: how the activations of P on calibration images differ from those on real ones.

Activation ranges are set, and blocks are fitted, on the calibration images. If a tensor is half as
wide on them as on real images, its quantizer clips real images; if it is twice as wide, half of the
levels are wasted. MaskAQ's paper examines attention for this purpose (section 2.1 there); the
statistics, and computing them for every tensor that Q rounds, are our own choice.
"""

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import pandas as pd
import torch
from torch import Tensor, nn

from maskaq.config import QuantOptions
from maskaq.evaluation.activation_shift_table import COLUMNS, OUTSIDE
from maskaq.quantization.conversion.convert import Scheme, convert
from maskaq.quantization.quantizers.base import quantizers
from maskaq.quantization.tensor_report import tensor_and_role

BATCH = 16  # images; with more, the attention maps of all blocks no longer fit the cache
_TAIL = 0.001  # share of the values outside the range at each end
_Z = 1.959963984540054  # 97.5 % point of the normal distribution


class Moments(NamedTuple):
    """One statistic of one tensor: its mean over n images and the standard error of the mean."""

    mean: float
    error: float
    n: int


Statistics = Mapping[tuple[str, str, str], Moments]  # by tensor, role and statistic
Measure = Callable[[Tensor], Tensor]


def distances(samples: Statistics, real: Statistics) -> pd.DataFrame:
    """One row per tensor and statistic, in network order.

    Columns tensor, role, block (`OUTSIDE` for tensors outside the blocks), statistic, samples and
    real (means over images), ratio = samples / real, low and high. The last two are a 95 % interval
    of the ratio over images, from the standard error of its logarithm (delta method).
    """
    rows = []
    for (tensor, role, statistic), ours in samples.items():
        theirs = real[tensor, role, statistic]
        ratio, spread = math.nan, math.nan
        if ours.mean > 0 and theirs.mean > 0:
            ratio = ours.mean / theirs.mean
            error = math.hypot(ours.error / ours.mean, theirs.error / theirs.mean)
            spread = math.exp(_Z * error)
        key = (tensor, role, _block(tensor), statistic)
        rows.append((*key, ours.mean, theirs.mean, ratio, ratio / spread, ratio * spread))
    return pd.DataFrame(rows, columns=list(COLUMNS))


@torch.no_grad()
def statistics(p: nn.Module, images: Tensor) -> Statistics:
    """Statistics of every activation that a Q made from P would round, for images [N,3,S,S].

    Each is computed per image and then averaged, so that it does not depend on the number of
    images, as a maximum over all of them would.

    Raises:
        ModelError: P has no supported attention.
    """
    found: dict[tuple[str, str, str], list[Tensor]] = {}

    def collect(tensor: str, role: str, module: nn.Module, args: Any, x: Tensor) -> None:
        for statistic, measure in _MEASURES.get(role, _COMMON).items():
            values = measure(x.float()).double().cpu()  # [B]
            found.setdefault((tensor, role, statistic), []).append(values)

    observed = _observed(p, collect)
    for batch in images.split(BATCH):
        observed(batch)
    return {key: _moments(torch.cat(values)) for key, values in found.items()}  # [N]


def _observed(p: nn.Module, collect: Callable[..., None]) -> nn.Module:
    """A converted P whose activation quantizers are replaced by identities that call `collect`."""
    q = convert(p, QuantOptions(), Scheme())
    for name, _ in list(quantizers(q)):
        tensor, role = tensor_and_role(q, name)
        identity = nn.Identity()
        if role != "weight":
            identity.register_forward_hook(partial(collect, tensor, role))
        parent, _, child = name.rpartition(".")
        setattr(q.get_submodule(parent), child, identity)
    return q


def _moments(values: Tensor) -> Moments:
    """Moments of a statistic [N] over the images where it is finite."""
    values = values[values.isfinite()]
    n = len(values)
    error = float(values.std()) / math.sqrt(n) if n > 1 else math.nan
    return Moments(float(values.mean()), error, n)


def _range(x: Tensor) -> Tensor:
    """From the k-th smallest to the k-th largest value, k = ceil(n / 1000): [B,..] to [B]."""
    flat = x.flatten(1)  # [B,n]
    count = math.ceil(_TAIL * flat.shape[1])
    high = flat.topk(count).values[:, -1]  # [B]
    low = flat.topk(count, largest=False).values[:, -1]  # [B]
    return high - low


def _peak(x: Tensor) -> Tensor:
    return x.flatten(1).abs().amax(1)  # [B]


def _kurtosis(x: Tensor) -> Tensor:
    """mean (x - mean)^4 / (mean (x - mean)^2)^2, NaN for a constant: [B,..] to [B]."""
    flat = x.flatten(1)  # [B,n]
    square = (flat - flat.mean(1, keepdim=True)).square_()  # [B,n]
    return square.square().mean(1) / square.mean(1).square()  # [B]


def _entropy(x: Tensor) -> Tensor:
    """Mean over heads and queries of -sum_j a_j log a_j: [B,H,T,T] to [B]."""
    rows: Tensor = torch.special.entr(x).sum(-1)  # [B,H,T]
    return rows.flatten(1).mean(1)  # [B]


_COMMON: Mapping[str, Measure] = {"range": _range, "peak": _peak, "kurtosis": _kurtosis}
_MEASURES: Mapping[str, Mapping[str, Measure]] = {"softmax": {**_COMMON, "entropy": _entropy}}


def _block(tensor: str) -> int:
    """The block number in a timm module name such as `blocks.3.attn.qkv`."""
    parts = tensor.split(".")
    return int(parts[parts.index("blocks") + 1]) if "blocks" in parts else OUTSIDE
