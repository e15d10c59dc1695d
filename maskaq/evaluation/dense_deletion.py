"""Deletion curves of dense tasks: what of P's answer is left on the patches that remain.

As `maskaq.evaluation.deletion`, for segmentation and detection. The answer on a removed patch
changes trivially, so only the other patches are compared (`maskaq.tasks.remaining`). If the answer
there depends on the informative patches, it must change sooner when those are removed than when
others are.

Which patches remain depends on the order: with the informative ones first, soon only background is
left, which is easy. So the answers are also compared on the middle patches, which are neither among
the informative ones nor among as many of the least informative ones. In random order some of them
are removed; those do not count.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from maskaq.evaluation.accuracy import batch_size_for
from maskaq.evaluation.deletion import FILLS, patch_counts, ranking, replace_patches
from maskaq.events import Event
from maskaq.intervals import Interval
from maskaq.models.loading import LoadedModel
from maskaq.tasks.remaining import REMAINING, Measure, Remaining
from maskaq.tasks.resampling import interval_of, resampled_weights

SHARES = tuple(step / 10 for step in range(10))  # with all patches removed nothing is compared
PATCHES = ("remaining", "same")  # which patches are compared
_ENDS = ("informative", "other")  # orders whose first patches are not the same ones


@dataclass(frozen=True, eq=False)
class DenseCurves:
    """Counts as patches are removed, for K shares and n images.

    shares: [K], of removed patches. measures: by name. counts: by the kind of counts and an entry
    of `PATCHES`, float64 [K,n,C].
    """

    shares: Tensor
    measures: Mapping[str, Measure]
    counts: Mapping[tuple[str, str], Tensor]

    def at_shares(self, measure: str, patches: str = "remaining") -> list[Interval]:
        """The measure at each share, with the 95 % interval of a bootstrap over images: [K].

        NaN where no patch is left to compare.
        """
        value, draws = self._values(measure, patches)
        return [_interval(*pair, self._images) for pair in zip(value, draws.T, strict=True)]

    def parts(self, measure: str, patches: str = "remaining") -> list[int]:
        """How many pixels or objects are compared at each share: [K]."""
        one = self.measures[measure]
        return one.parts(self.counts[one.counts, patches].sum(1)).long().tolist()

    @property
    def _images(self) -> int:
        return next(iter(self.counts.values())).shape[1]

    def _values(self, measure: str, patches: str) -> tuple[Tensor, Tensor]:
        """Of all images, [K], and of resamples of them, [R,K]."""
        one = self.measures[measure]
        counts = self.counts[one.counts, patches]  # [K,n,C]
        drawn = torch.einsum("rn,knc->rkc", resampled_weights(self._images), counts)
        return one.value(counts.sum(1)), one.value(drawn)


@torch.no_grad()
def dense_curves(
    loaded: LoadedModel,
    model: nn.Module,
    images: Tensor,
    truth: Tensor,
    alpha: Tensor,
    order: str,
    *,
    fill: str = "mean colour",
    shares: Sequence[float] = SHARES,
    seed: int = 0,
) -> Iterator[Event | DenseCurves]:
    """Run P on the same images with more and more patches removed.

    Yields events, then the `DenseCurves`.

    Args:
        loaded: P. model: its network, or a frozen copy.
        images: uint8 [n,3,S,S]. truth: [n,..], in the form of the task.
        alpha: P's attention weights [n,N]. order: as in `maskaq.evaluation.deletion.ranking`.
        fill, shares: as in `maskaq.evaluation.deletion.curves`.

    Raises:
        OptionError: unknown order or fill, invalid shares, or the task is not a dense one.
    """
    task, fill_in = REMAINING[loaded.task], FILLS[fill]
    removed = patch_counts(shares, alpha.shape[1])
    random, noise = (torch.Generator().manual_seed(seed) for _ in range(2))
    ranks = torch.stack([ranking(alpha, one, random) for one in (order, *_ENDS)])  # [3,n,N]
    batches = list(torch.arange(len(images)).split(batch_size_for(model)))
    rows: dict[tuple[str, str], list[Tensor]] = {}
    for done, index in enumerate(batches, start=1):
        inputs = loaded.normalise(images[index])
        filled = fill_in(inputs, loaded.sides[0] // loaded.grid[0], noise)
        whole = task.answers(model(inputs), loaded.sides)
        stages: dict[tuple[str, str], list[Tensor]] = {}
        for count in removed:
            away = ranks[:, index] < count  # [3,B,N]
            shown = replace_patches(inputs, filled, away[0], loaded.grid)
            now = task.answers(model(shown), loaded.sides)
            for patches, mask in zip(PATCHES, (~away[0], ~away.any(0)), strict=True):
                remains = mask.unflatten(1, loaded.grid)  # [B,rows,columns]
                kinds = _counts(task, whole, truth[index], now, remains, len(loaded.class_names))
                for kind, counts in kinds.items():
                    stages.setdefault((kind, patches), []).append(counts)  # [B,C]
        for key, several in stages.items():
            rows.setdefault(key, []).append(torch.stack(several))  # [K,B,C]
        yield Event("deletion", done, len(batches))
    exact = torch.tensor(removed, dtype=torch.double) / alpha.shape[1]  # [K]
    joined = {key: torch.cat(several, 1).double() for key, several in rows.items()}
    yield DenseCurves(exact, task.measures, joined)


def _counts(
    task: Remaining, whole: object, truth: Tensor, now: object, remains: Tensor, classes: int
) -> dict[str, Tensor]:
    """Both kinds of counts of a task, [B,C] each."""
    return {
        "kept": task.kept(whole, now, remains, classes).flatten(1),
        "right": task.right(truth, now, remains, classes),
    }


def _interval(value: Tensor, draws: Tensor, count: int) -> Interval:
    """A value [] with the interval of its resamples [R], leaving out those without any part."""
    finite = draws[draws.isfinite()]
    if not len(finite) or not value.isfinite():
        return Interval(float("nan"), float("nan"), float("nan"), count)
    return interval_of(float(value), finite, count)
