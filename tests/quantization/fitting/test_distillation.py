import math

import pytest
import torch
from torch import Tensor

from maskaq.quantization.fitting.distillation import (
    head_loss,
    informative_tokens,
)
from maskaq.tasks.classification import TASK

C2 = 0.03**2


def heads(seed: int) -> Tensor:
    return torch.randn(2, 3, 5, 4, generator=torch.Generator().manual_seed(seed))  # [B,H,N,d]


def structure(a: list[float], b: list[float], weights: list[float]) -> float:
    total = sum(weights)
    mean_a = sum(w * x for w, x in zip(weights, a, strict=True)) / total
    mean_b = sum(w * x for w, x in zip(weights, b, strict=True)) / total
    rows = list(zip(weights, a, b, strict=True))
    covariance = sum(w * (x - mean_a) * (y - mean_b) for w, x, y in rows) / total
    power = sum(w * ((x - mean_a) ** 2 + (y - mean_b) ** 2) for w, x, y in rows) / total
    return (2 * covariance + C2) / (power + C2)


def test_the_paper_reading_averages_tokens_with_their_weights() -> None:
    p, q, mask = heads(0), heads(1), torch.tensor([[1, 0, 0, 0, 0], [0, 1, 1, 0, 0]]).bool()
    losses = []
    for b in range(2):
        for h in range(3):
            weights = [3.0 if mask[b, n] else 1.0 for n in range(5)]
            parts = [
                w * (1 - structure(p[b, h, n].tolist(), q[b, h, n].tolist(), [1.0] * 4))
                for n, w in enumerate(weights)
            ]
            losses.append(sum(parts) / sum(weights))
    loss = head_loss(p, q, mask, 3.0, "paper").item()
    assert loss == pytest.approx(sum(losses) / 6, rel=1e-5)


def test_the_released_reading_weights_the_moments() -> None:
    p, q, mask = heads(2), heads(3), torch.tensor([[1, 0, 0, 0, 0], [0, 1, 1, 0, 0]]).bool()
    similarity = []
    for b in range(2):
        weights = [2.0 if mask[b, n] else 1.0 for n in range(5)]
        for h in range(3):
            for d in range(4):
                column_p, column_q = p[b, h, :, d].tolist(), q[b, h, :, d].tolist()
                similarity.append(structure(column_p, column_q, weights))
    loss = head_loss(p, q, mask, 2.0, "released").item()
    assert loss == pytest.approx(1 - sum(similarity) / len(similarity), rel=1e-5)


@pytest.mark.parametrize("reading", ["paper", "released"])
def test_equal_heads_have_no_loss(reading: str) -> None:
    p = heads(4)
    mask = informative_tokens(p, 0.4)
    assert head_loss(p, p.clone(), mask, 2.0, reading).item() == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("ratio, count", [(0.1, 1), (0.4, 2), (0.5, 2), (1.0, 5)])
def test_informative_tokens_have_the_largest_outputs(ratio: float, count: int) -> None:
    p = heads(5)
    mask = informative_tokens(p, ratio)
    assert mask.sum(1).tolist() == [count, count]
    for b in range(2):
        salience = [p[b, :, n].abs().mean().item() for n in range(5)]
        expected = sorted(range(5), key=lambda n: -salience[n])[:count]
        assert set(mask[b].nonzero().flatten().tolist()) == set(expected)


def test_distillation_equals_the_formula() -> None:
    p, q = torch.tensor([[1.0, 2.0, 0.5]]), torch.tensor([[0.0, 1.0, 3.0]])
    softmax = [[math.exp(v / 2) for v in row] for row in (p[0].tolist(), q[0].tolist())]
    first, second = ([v / sum(row) for v in row] for row in softmax)
    expected = 4 * sum(a * math.log(a / b) for a, b in zip(first, second, strict=True))
    assert TASK.divergence(p, q, 2.0).item() == pytest.approx(expected, rel=1e-5)
