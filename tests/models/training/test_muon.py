import torch

from maskaq.models.training.muon import Muon, orthogonalized


def test_singular_values_become_about_one() -> None:
    matrices = torch.randn(3, 24, 40, generator=torch.Generator().manual_seed(0))
    before, after = (torch.linalg.svdvals(one) for one in (matrices, orthogonalized(matrices)))
    assert before.max() / before.min() > 3
    assert 0.6 < after.min() < after.max() < 1.3


def test_steps_equal_those_of_torch() -> None:
    random = torch.Generator().manual_seed(0)
    shapes = [(8, 20), (20, 8), (8, 20), (12, 12)]
    starts = [torch.randn(shape, generator=random) for shape in shapes]
    ours, theirs = ([torch.nn.Parameter(one.clone()) for one in starts] for _ in range(2))
    optimisers = (
        Muon(ours, 0.05, weight_decay=0.1),
        torch.optim.Muon(theirs, 0.05, 0.1, adjust_lr_fn="match_rms_adamw"),
    )
    for _ in range(3):
        for mine, other in zip(ours, theirs, strict=True):
            mine.grad = torch.randn(mine.shape, generator=random)
            other.grad = mine.grad.clone()
        for optimiser in optimisers:
            optimiser.step()
    for start, mine, other in zip(starts, ours, theirs, strict=True):
        # The other one rounds to bfloat16, which has a precision of 2^-8.
        assert (mine - other).norm() < 0.02 * (mine - start).norm()
