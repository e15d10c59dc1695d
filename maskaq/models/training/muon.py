"""Muon: momentum with orthogonalized updates, for the matrices of a network."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.optim import Optimizer

_A, _B, _C = 3.4445, -4.7750, 2.0315  # of the Newton-Schulz iteration
_ITERATIONS = 5


class Muon(Optimizer):
    """Muon (Jordan et al. 2024), with updates as large as those of AdamW (arXiv 2502.16982).

    `torch.optim.Muon` orthogonalizes in bfloat16 and one matrix at a time. On a processor without
    bfloat16 that takes longer than the rest of a step. This one works in float32, and on all
    matrices of one shape together.

    Args:
        params: matrices, each of two dimensions.
        lr: learning rate, in the units of AdamW.
        weight_decay: decoupled, as in AdamW.
        momentum: share of the earlier gradients, with a Nesterov step.
    """

    def __init__(
        self,
        params: Sequence[Tensor],
        lr: float,
        weight_decay: float = 0.05,
        momentum: float = 0.95,
    ) -> None:
        options = {"lr": lr, "initial_lr": lr, "weight_decay": weight_decay, "momentum": momentum}
        super().__init__(params, options)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            alike: dict[tuple[int, int], list[tuple[Tensor, Tensor]]] = {}
            for matrix in group["params"]:
                update = self._nesterov(matrix, group["momentum"])
                wide = update if update.shape[0] <= update.shape[1] else update.T
                alike.setdefault((wide.shape[0], wide.shape[1]), []).append((matrix, wide))
            for (_, longer), pairs in alike.items():
                updates = orthogonalized(torch.stack([update for _, update in pairs]))
                for (matrix, _), update in zip(pairs, updates, strict=True):
                    matrix.mul_(1 - group["lr"] * group["weight_decay"])
                    right = update if update.shape == matrix.shape else update.T
                    # 0.2 is the usual root mean square of an update of AdamW.
                    matrix.sub_(right, alpha=group["lr"] * 0.2 * longer**0.5)

    def _nesterov(self, matrix: Tensor, momentum: float) -> Tensor:
        assert matrix.grad is not None
        state = self.state[matrix]
        if not state:
            state["momentum"] = torch.zeros_like(matrix)
        average: Tensor = state["momentum"]
        average.lerp_(matrix.grad, 1 - momentum)
        return matrix.grad.lerp(average, momentum)


def orthogonalized(matrices: Tensor) -> Tensor:
    """Set all singular values of [N,a,b], a <= b, to about 1 (0.7 to 1.2)."""
    x: Tensor = matrices / matrices.norm(dim=(1, 2), keepdim=True).clamp(min=1e-7)
    for _ in range(_ITERATIONS):
        gram = x @ x.mT  # [N,a,a]
        polynomial = torch.baddbmm(gram, gram, gram, beta=_B, alpha=_C)
        x = torch.baddbmm(x, polynomial, x, beta=_A)
    return x
