"""Coordinate descent on the levels of a weight, and on the step sizes of its rows.

GPTQ rounds each column once, before it knows the levels of the columns after it. Here every code is
chosen again, given all others, so that the error of the layer's outputs is least (as in QuantEase,
Behdin et al. 2023, arXiv 2309.01885). That error is a parabola in a single code, so the nearest
possible code is the best one. In between, each row's step size is set by least squares. Both only
lower the error, as the damped covariance of the inputs measures it.
"""

import torch
from torch import Tensor

_PASSES = 3  # over all columns; more gained nothing
_BLOCK = 64  # columns whose changes are passed on together


def descend(
    weight: Tensor, levels: Tensor, step: Tensor, hessian: Tensor, low: int, high: int
) -> tuple[Tensor, Tensor]:
    """Better levels [C_out,C_in] and step sizes [C_out,1].

    Args:
        weight: [C_out,C_in].
        levels: at first, multiples of `step` [C_out,1] by `low` to `high`.
        hessian: covariance of the layer's inputs, damped, so positive definite: [C_in,C_in].
    """
    order = hessian.diagonal().argsort(descending=True)
    weight, hessian = weight[:, order], hessian[order][:, order]
    codes = (levels[:, order] / step).round()  # [C_out,C_in]
    for _ in range(_PASSES):
        step = _least_squares(weight, codes, hessian, step)
        if not _pass(weight, codes, step, hessian, low, high):
            break
    step = _least_squares(weight, codes, hessian, step)
    return (codes * step)[:, order.argsort()], step


def _least_squares(weight: Tensor, codes: Tensor, hessian: Tensor, step: Tensor) -> Tensor:
    """The step size of each row with the least error, [C_out,1].

    A row keeps its step where all codes are 0, or where the best step would not be positive.
    """
    seen = codes @ hessian  # [C_out,C_in]
    wanted = (seen * weight).sum(1, keepdim=True)  # [C_out,1]
    return torch.where(wanted > 0, wanted / (seen * codes).sum(1, keepdim=True), step)


def _pass(
    weight: Tensor, codes: Tensor, step: Tensor, hessian: Tensor, low: int, high: int
) -> bool:
    """Choose each column of codes again, in place. Returns whether any code has changed."""
    pull = (weight - codes * step) @ hessian  # [C_out,C_in], half the gradient, downwards
    changed = False
    for first in range(0, weight.shape[1], _BLOCK):
        end = min(first + _BLOCK, weight.shape[1])
        near, moves = pull[:, first:end], torch.zeros_like(pull[:, first:end])
        for j in range(first, end):
            best = codes[:, j, None] + near[:, j - first, None] / (step * hessian[j, j])
            best = best.round().clamp(low, high)  # [C_out,1]
            move = (best - codes[:, j, None]) * step
            codes[:, j, None] = best
            near -= move * hessian[j, first:end]
            moves[:, j - first, None] = move
        pull[:, end:] -= moves @ hessian[first:end, end:]
        changed = changed or bool(moves.any())
    return changed
