"""Channels whose information is known in closed form."""

import math

import pytest
import torch
from torch import Tensor

from maskaq.errors import OptionError
from maskaq.evaluation.information import Predictor, entropy, fit, information

K = 4  # answers
ERROR = 0.3


def symmetric(n: int, seed: int, error: float = ERROR) -> tuple[Tensor, Tensor]:
    """Answers, and the exact log-posterior given the output of a symmetric channel."""
    generator = torch.Generator().manual_seed(seed)
    answers = torch.randint(K, (n,), generator=generator)
    wrong = (answers + torch.randint(1, K, (n,), generator=generator)) % K
    flipped = torch.rand(n, generator=generator) < error
    received = torch.where(flipped, wrong, answers)
    posterior = torch.full((n, K), error / (K - 1)).scatter(1, received[:, None], 1 - error)
    return posterior.log(), answers


TRUE = math.log2(K) + (1 - ERROR) * math.log2(1 - ERROR) + ERROR * math.log2(ERROR / (K - 1))


def bound(logits: Tensor, answers: Tensor):
    half = len(answers) // 2
    predictor = fit(logits[:half], answers[:half])
    return information(predictor, logits[half:], answers[half:])


@pytest.mark.parametrize("sharpness", [1.0, 4.0, 0.5])
def test_a_known_channel_at_any_confidence(sharpness: float) -> None:
    logits, answers = symmetric(40_000, 0)
    found = bound(sharpness * logits, answers)
    assert found.n == 20_000
    assert found.value == pytest.approx(TRUE, abs=0.03)
    assert found.low < TRUE + 0.005
    assert found.high > TRUE - 0.03


def test_independent_answers_have_no_information() -> None:
    logits, answers = symmetric(40_000, 1)
    found = bound(
        logits, answers[torch.randperm(40_000, generator=torch.Generator().manual_seed(2))]
    )
    assert abs(found.value) < 0.005


def test_complete_information_is_the_entropy() -> None:
    _, answers = symmetric(10_000, 3)
    found = bound(50 * torch.nn.functional.one_hot(answers, K).float(), answers)
    assert found.value == pytest.approx(entropy(answers[5000:]), abs=0.01)


def test_a_poor_predictor_gives_a_lower_bound() -> None:
    logits, answers = symmetric(40_000, 4)
    noise = torch.randn(logits.shape, generator=torch.Generator().manual_seed(5))
    worse = bound(logits + 2 * noise, answers)
    assert 0 < worse.value < TRUE - 0.05


def test_the_bias_of_the_entropy_is_corrected() -> None:
    assert entropy(torch.arange(8).repeat(10_000)) == pytest.approx(3, abs=1e-3)
    generator = torch.Generator().manual_seed(0)
    few = [entropy(torch.randint(8, (40,), generator=generator)) for _ in range(400)]
    assert sum(few) / 400 == pytest.approx(3, abs=0.02)  # plain shares would give 2.87


def test_a_fitted_predictor_beats_the_raw_softmax() -> None:
    logits, answers = symmetric(2000, 6)
    predictor = fit(8 * logits, answers)
    raw = Predictor(1.0, 0.0, predictor.shares)
    assert predictor.bits(8 * logits, answers).mean() > raw.bits(8 * logits, answers).mean() + 0.1


@pytest.mark.parametrize("logits", [torch.zeros(0, 4), torch.zeros(3, 4), torch.zeros(2)])
def test_mismatched_shapes_are_refused(logits: Tensor) -> None:
    with pytest.raises(OptionError, match=r"expected \[n,K\] and \[n\]"):
        fit(logits, torch.zeros(2 if len(logits) else 0, dtype=torch.long))
