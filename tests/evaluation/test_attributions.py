import pytest
import torch
from scipy.stats import spearmanr
from torch import Tensor

from maskaq.config import QuantOptions
from maskaq.data.scenes import scenes
from maskaq.evaluation.attributions import (
    ATTRIBUTIONS,
    AttributionTask,
    completeness,
    integrated,
    rank_correlation,
    rollout,
)
from maskaq.models.attention import record
from maskaq.models.loading import LoadedModel
from maskaq.quantization.backends import BACKENDS
from maskaq.quantization.backends.ranges_only import calibrated_q
from maskaq.regions.mask import patch_attention

SIDE = 8  # pixels of a patch


@pytest.fixture(scope="module")
def task(scenes_p: LoadedModel) -> AttributionTask:
    batch = scenes("evaluation", range(4))
    images = scenes_p.normalise(batch.images)
    with torch.no_grad():
        targets = scenes_p.model(images).argmax(-1)
    return AttributionTask(scenes_p.model, images, targets, scenes_p.grid, scenes_p.prefix)


@pytest.fixture(scope="module")
def quantized(task: AttributionTask) -> AttributionTask:
    q = calibrated_q(task.model, QuantOptions(8, 8), BACKENDS["tails"].scheme, task.images)
    return task._replace(model=q)


def logit(task: AttributionTask, images: Tensor) -> Tensor:
    return task.model(images).gather(1, task.targets[:, None])[:, 0]


@pytest.mark.parametrize("name", list(ATTRIBUTIONS))
def test_every_method_gives_every_patch_a_weight(task, quantized, name: str) -> None:
    for one in (task, quantized):
        before = one.images.clone()
        found = ATTRIBUTIONS[name](one)
        assert found.shape == (4, 64)
        assert found.isfinite().all()
        assert not found.requires_grad
        assert (found.std(1) > 0).all()
        assert all(parameter.grad is None for parameter in one.model.parameters())
        torch.testing.assert_close(one.images, before)


@pytest.mark.slow
def test_integrated_gradients_sum_to_the_difference_of_outputs(task: AttributionTask) -> None:
    task = task._replace(images=task.images[:2], targets=task.targets[:2])
    gap = completeness(task, 128).max()
    assert gap < 0.02
    assert completeness(task, 4).max() > gap
    sums = integrated(task, 128).flatten(1).sum(1)
    with torch.no_grad():
        difference = logit(task, task.images) - logit(task, torch.zeros_like(task.images))
    torch.testing.assert_close(sums, difference, rtol=0.02, atol=0.02)


def test_the_weight_of_a_patch_is_the_sum_over_its_pixels(task: AttributionTask) -> None:
    whole = integrated(task, 32)
    found = ATTRIBUTIONS["integrated gradients"](task)
    assert float(found[1, 10]) == pytest.approx(
        float(whole[1, :, SIDE : 2 * SIDE, 2 * SIDE : 3 * SIDE].sum()), rel=1e-4
    )


def test_saliency_is_the_absolute_gradient(task: AttributionTask) -> None:
    images = task.images.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(logit(task, images).sum(), images)
    found = ATTRIBUTIONS["saliency"](task)
    own = gradient[2, :, :SIDE, :SIDE].abs().sum()
    assert float(found[2, 0]) == pytest.approx(float(own), rel=1e-4)


@torch.no_grad()
def test_occlusion_is_the_drop_of_the_logit(task: AttributionTask) -> None:
    found = ATTRIBUTIONS["occlusion"](task)
    for patch in (0, 13, 63):
        row, column = divmod(patch, 8)
        hidden = task.images.clone()
        hidden[:, :, row * SIDE : (row + 1) * SIDE, column * SIDE : (column + 1) * SIDE] = 0
        drop = logit(task, task.images) - logit(task, hidden)
        torch.testing.assert_close(found[:, patch], drop, rtol=1e-3, atol=1e-4)


def test_block_attribution_is_gradient_times_activation(task: AttributionTask) -> None:
    saved = {}

    def save(module, args, out):
        out.retain_grad()
        saved["tokens"] = out

    handle = task.model.blocks[0].register_forward_hook(save)
    logit(task, task.images.clone().requires_grad_()).sum().backward()
    handle.remove()
    tokens = saved["tokens"]
    expected = (tokens * tokens.grad).sum(-1)[:, task.prefix :].detach()
    found = ATTRIBUTIONS["first block"](task)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-5)


def test_attention_is_alpha(task: AttributionTask) -> None:
    with torch.no_grad(), record(task.model) as maps:
        task.model(task.images)
    torch.testing.assert_close(ATTRIBUTIONS["attention"](task), patch_attention(maps, task.prefix))


def test_rollout_matches_plain_loops() -> None:
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
