"""Lower bound of the mutual information between some patches of an image and Q's answer, in bits.

For Q's answer Y to whole images and the remaining part X of the images,

    I(X; Y) = H(Y) - H(Y | X) >= H(Y) + E log2 r(Y | X)       (Barber and Agakov, NIPS 2003)

for any predictor r of the answer. Here r is Q itself on the altered image, softened:
r = (1 - w) softmax(z / t) + w h, with h the frequency of each answer. t and w are fitted on other
images than those of the bound. How far the bound is below the true value is unknown: Q never saw
altered images, and a model trained on them would extract more. So bounds of the same kind are
compared with each other (informative against other patches), and each with H(Y). The plug-in
estimate of H(Y) has a bias of about -(K - 1) / (2 n ln 2) bits for K answers (Miller 1955), which
is corrected.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from maskaq.errors import OptionError
from maskaq.intervals import Interval, student

_TEMPERATURES = tuple(2.0**power for power in (x / 4 for x in range(-4, 21)))  # t: 0.5 to 32
_PRIOR_WEIGHTS = (0.0, 0.01, 0.03, 0.1, 0.2, 0.3, 0.45, 0.6, 0.8, 1.0)  # w
_FLOOR = 1e-9  # lower bound of r, whose logarithm would be infinite at 0


@dataclass(frozen=True, eq=False)
class Predictor:
    """The predictor r. temperature: t. prior_weight: w. shares: h, [K]."""

    temperature: float
    prior_weight: float
    shares: Tensor

    def bits(self, logits: Tensor, answers: Tensor) -> Tensor:
        """log2 r(answer | logits): [n,K] and [n] to [n]."""
        own = (logits.double() / self.temperature).softmax(-1)  # [n,K]
        mixed = (1 - self.prior_weight) * own + self.prior_weight * self.shares  # [n,K]
        picked = mixed.gather(-1, answers[:, None])[:, 0]  # [n]
        return picked.clamp(min=_FLOOR).log2()


def fit(logits: Tensor, answers: Tensor) -> Predictor:
    """The predictor whose temperature and prior weight give the largest mean log-likelihood.

    Args:
        logits: of Q on altered images [n,K].
        answers: Q's classes on the whole images, int64 [n].

    Raises:
        OptionError: no images, or shapes that do not match.
    """
    if logits.ndim != 2 or len(logits) != len(answers) or not len(answers):
        shapes = f"{tuple(logits.shape)} and {tuple(answers.shape)}"
        raise OptionError(f"logits and answers are {shapes}; expected [n,K] and [n], n of 1 up.")
    shares = torch.bincount(answers, minlength=logits.shape[1]).double() / len(answers)  # [K]
    candidates = [Predictor(t, w, shares) for t in _TEMPERATURES for w in _PRIOR_WEIGHTS]
    return max(candidates, key=lambda candidate: float(candidate.bits(logits, answers).mean()))


def entropy(answers: Tensor) -> float:
    """H(Y) in bits from the answers int64 [n], with Miller's correction."""
    counts = torch.bincount(answers).double()
    shares = counts[counts > 0] / len(answers)
    plugin = -float((shares * shares.log2()).sum())
    return plugin + (len(shares) - 1) / (2 * len(answers) * math.log(2))


def information(predictor: Predictor, logits: Tensor, answers: Tensor) -> Interval:
    """The lower bound of I(X; Y) in bits, with a 95 % interval over images.

    The interval is that of E log2 r; the entropy of the answers is taken as exact, because its
    error over thousands of images is an order of magnitude smaller.

    Args:
        predictor: fitted on other images.
        logits: of Q on altered images [n,K].
        answers: Q's classes on the whole images, int64 [n].
    """
    gained = predictor.bits(logits, answers) + entropy(answers)  # [n]
    return student(gained.tolist())
