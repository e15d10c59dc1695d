"""How much some patches of a picture tell about Q's answer: mutual information in bits, from below.

For Q's answer Y to whole pictures and what is left of the pictures, X,

    I(X; Y) = H(Y) - H(Y | X) >= H(Y) + E log2 r(Y | X)       (Barber and Agakov, NIPS 2003)

for every guess r of the answer from what is left. The guess here is Q's own on the altered picture,
made milder: r = (1 - w) softmax(z / t) + w h, with h the share of each answer. t and w are fitted
on pictures apart from those that the bound is taken over. How far the bound lies below the truth is
unknown: Q never saw altered pictures, and a reader trained on them would find more. So bounds of
the same kind are compared with each other (informative against other patches), and each with H(Y).
Estimating H(Y) from shares adds a bias of about -(K - 1) / (2 n ln 2) bits for K answers (Miller
1955), which is added back.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from maskaq.errors import OptionError
from maskaq.intervals import Interval, student

__all__ = ["Predictor", "entropy", "fit", "information"]

_HEATS = tuple(2.0**power for power in (x / 4 for x in range(-4, 21)))  # t: 0.5 to 32
_SHARES = (0.0, 0.01, 0.03, 0.1, 0.2, 0.3, 0.45, 0.6, 0.8, 1.0)  # w
_FLOOR = 1e-9  # a guess of 0 would cost infinitely much


@dataclass(frozen=True, eq=False)
class Predictor:
    """The milder answer r. heat: t. blind: w. shares: h, [K]."""

    heat: float
    blind: float
    shares: Tensor

    def bits(self, logits: Tensor, answers: Tensor) -> Tensor:
        """log2 r(answer | logits): [n,K], [n] to [n]."""
        own = (logits.double() / self.heat).softmax(-1)  # [n,K]
        mixed = (1 - self.blind) * own + self.blind * self.shares  # [n,K]
        picked = mixed.gather(-1, answers[:, None])[:, 0]  # [n]
        return picked.clamp(min=_FLOOR).log2()


def fit(logits: Tensor, answers: Tensor) -> Predictor:
    """The heat and the blind share under which the answers are least surprising.

    Args:
        logits: Q's on altered pictures [n,K]. answers: its classes on whole ones, int64 [n].

    Raises:
        OptionError: no picture, or shapes that do not belong together.
    """
    if logits.ndim != 2 or len(logits) != len(answers) or not len(answers):
        shapes = f"{tuple(logits.shape)} and {tuple(answers.shape)}"
        raise OptionError(f"logits and answers are {shapes}; expected [n,K] and [n], n of 1 up.")
    shares = torch.bincount(answers, minlength=logits.shape[1]).double() / len(answers)  # [K]
    guesses = [Predictor(heat, blind, shares) for heat in _HEATS for blind in _SHARES]
    return max(guesses, key=lambda guess: float(guess.bits(logits, answers).mean()))


def entropy(answers: Tensor) -> float:
    """H(Y) in bits from the answers int64 [n], with Miller's correction."""
    counts = torch.bincount(answers).double()
    shares = counts[counts > 0] / len(answers)
    plain = -float((shares * shares.log2()).sum())
    return plain + (len(shares) - 1) / (2 * len(answers) * math.log(2))


def information(guess: Predictor, logits: Tensor, answers: Tensor) -> Interval:
    """The lower bound of I(X; Y) in bits, with a 95 % interval over pictures.

    Args:
        guess: fitted on other pictures. logits: Q's on altered pictures [n,K]. answers: its
            classes on the whole ones, int64 [n].

    The interval is that of E log2 r; the entropy of the answers is taken as known, as its error
    over thousands of pictures is an order smaller.
    """
    gained = guess.bits(logits, answers) + entropy(answers)  # [n]
    return student(gained.tolist())
