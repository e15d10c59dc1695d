from __future__ import annotations

import pytest
import torch
from scipy.stats import spearmanr
from torch import Tensor

from maskaq.config import QuantOptions
from maskaq.data.scenes import scenes
from maskaq.evaluation.attributions import (
    ATTRIBUTIONS,
    Subject,
    completeness,
    integrated,
    rank_correlation,
    rollout,
)
from maskaq.models.attention import record
from maskaq.models.loading import Loaded
from maskaq.quantization.backends import BACKENDS
from maskaq.quantization.backends.ranges_only import ranged
from maskaq.regions.mask import patch_attention

SIDE = 8  # pixels of a patch


@pytest.fixture(scope="module")
def subject(scenes_p: Loaded) -> Subject:
    batch = scenes("evaluation", range(4))
    images = scenes_p.normalise(batch.images)
    with torch.no_grad():
        targets = scenes_p.model(images).argmax(-1)
    return Subject(scenes_p.model, images, targets, scenes_p.grid, scenes_p.prefix)


@pytest.fixture(scope="module")
def quantized(subject: Subject) -> Subject:
    q = ranged(subject.model, QuantOptions(8, 8), BACKENDS["tails"].scheme, subject.images)
    return subject._replace(model=q)


def logit(subject: Subject, images: Tensor) -> Tensor:
    return subject.model(images).gather(1, subject.targets[:, None])[:, 0]


@pytest.mark.parametrize("name", list(ATTRIBUTIONS))
def test_every_method_weighs_every_patch_of_p_and_q(subject, quantized, name: str) -> None:
    for one in (subject, quantized):
        before = one.images.clone()
        found = ATTRIBUTIONS[name](one)
        assert found.shape == (4, 64)
        assert found.isfinite().all()
        assert not found.requires_grad
        assert (found.std(1) > 0).all()
        assert all(parameter.grad is None for parameter in one.model.parameters())
        torch.testing.assert_close(one.images, before)


def test_integrated_gradients_sum_to_the_difference_of_outputs(subject: Subject) -> None:
    assert completeness(subject, 128).max() < 0.02
    assert completeness(subject, 4).max() > completeness(subject, 128).max()
    sums = integrated(subject, 128).flatten(1).sum(1)
    with torch.no_grad():
        apart = logit(subject, subject.images) - logit(subject, torch.zeros_like(subject.images))
    torch.testing.assert_close(sums, apart, rtol=0.02, atol=0.02)


def test_by_patch_is_the_sum_over_its_pixels(subject: Subject) -> None:
    whole = integrated(subject, 32)
    found = ATTRIBUTIONS["integrated gradients"](subject)
    assert float(found[1, 10]) == pytest.approx(
        float(whole[1, :, SIDE : 2 * SIDE, 2 * SIDE : 3 * SIDE].sum()), rel=1e-4
    )


def test_saliency_is_the_size_of_the_gradient(subject: Subject) -> None:
    images = subject.images.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(logit(subject, images).sum(), images)
    found = ATTRIBUTIONS["saliency"](subject)
    own = gradient[2, :, :SIDE, :SIDE].abs().sum()
    assert float(found[2, 0]) == pytest.approx(float(own), rel=1e-4)


@torch.no_grad()
def test_occlusion_is_the_fall_of_the_logit(subject: Subject) -> None:
    found = ATTRIBUTIONS["occlusion"](subject)
    for patch in (0, 13, 63):
        row, column = divmod(patch, 8)
        hidden = subject.images.clone()
        hidden[:, :, row * SIDE : (row + 1) * SIDE, column * SIDE : (column + 1) * SIDE] = 0
        fall = logit(subject, subject.images) - logit(subject, hidden)
        torch.testing.assert_close(found[:, patch], fall, rtol=1e-3, atol=1e-4)


def test_a_block_is_its_gradient_times_its_activation(subject: Subject) -> None:
    kept = {}

    def keep(module, given, out):
        out.retain_grad()
        kept["tokens"] = out

    handle = subject.model.blocks[0].register_forward_hook(keep)
    logit(subject, subject.images.clone().requires_grad_()).sum().backward()
    handle.remove()
    tokens = kept["tokens"]
    expected = (tokens * tokens.grad).sum(-1)[:, subject.prefix :].detach()
    found = ATTRIBUTIONS["first block"](subject)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-5)


def test_attention_is_alpha(subject: Subject) -> None:
    with torch.no_grad(), record(subject.model) as maps:
        subject.model(subject.images)
    torch.testing.assert_close(
        ATTRIBUTIONS["attention"](subject), patch_attention(maps, subject.prefix)
    )


def test_rollout_in_plain_loops() -> None:
    generator = torch.Generator().manual_seed(0)
    probs = [torch.rand(2, 3, 5, 5, generator=generator).softmax(-1) for _ in range(3)]
    found = rollout(probs)
    for image in range(2):
        whole = torch.eye(5)
        for block in probs:
            mean = sum(block[image, head] for head in range(3)) / 3
            whole = (0.5 * mean + 0.5 * torch.eye(5)) @ whole
        torch.testing.assert_close(found[image], whole)
    torch.testing.assert_close(found.sum(-1), torch.ones(2, 5))


def test_rank_correlation_is_spearmans() -> None:
    generator = torch.Generator().manual_seed(0)
    a = torch.randint(0, 6, (3, 20), generator=generator).float()  # with ties
    b = torch.randn(3, 20, generator=generator)
    found = rank_correlation(a, b)
    for row in range(3):
        assert float(found[row]) == pytest.approx(spearmanr(a[row], b[row]).statistic)
    torch.testing.assert_close(rank_correlation(a, 2 * a + 1), torch.ones(3, dtype=torch.double))
    assert rank_correlation(torch.ones(1, 4), torch.rand(1, 4)).isnan().all()
