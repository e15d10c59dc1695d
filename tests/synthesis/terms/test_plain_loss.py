"""The fast terms and their gradients against plain formulas differentiated by autograd."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from maskaq.config import QuantOptions
from maskaq.config.presets import spec_of
from maskaq.data.scenes import scenes
from maskaq.models.attention import record
from maskaq.models.loading import LoadedModel
from maskaq.quantization.backends import BACKENDS
from maskaq.quantization.backends.ranges_only import calibrated_q
from maskaq.quantization.conversion.freeze import freeze_weights
from maskaq.synthesis.context import SynthesisContext
from maskaq.synthesis.terms.objectives import OBJECTIVES, StepState

OPTIONS = replace(spec_of("maskaq").synthesis, images=3, batch=3)


def ssim(a: Tensor, b: Tensor) -> Tensor:
    """SSIM of maps [..,D] scaled to 0..1, with one window over the whole map: [..]."""
    a, b = (
        (m - m.amin(-1, keepdim=True)) / (m.amax(-1, keepdim=True) - m.amin(-1, keepdim=True))
        for m in (a, b)
    )
    mean_a, mean_b = a.mean(-1), b.mean(-1)
    covariance = (a * b).mean(-1) - mean_a * mean_b
    power = a.var(-1, correction=0) + b.var(-1, correction=0)
    top = (2 * mean_a * mean_b + 0.01**2) * (2 * covariance + 0.03**2)
    return top / ((mean_a.square() + mean_b.square() + 0.01**2) * (power + 0.03**2))


def plain_terms(images: Tensor, labels: Tensor, p: list[Tensor], q: list[Tensor], mask: Tensor):  # type: ignore[no-untyped-def]
    """Eq. 2, 3, 10, 14 of MaskAQ on attention maps [B,H,T,T] with one class token."""
    down = images[..., 1:, :] - images[..., :-1, :]
    across = images[..., 1:] - images[..., :-1]
    tv = down.square().sum((1, 2, 3)) + across.square().sum((1, 2, 3))
    heads = p[0].shape[1]
    dissimilarity, entropy, align = 0.0, 0.0, 0.0
    for one, other in zip(p, q, strict=True):
        of_p, of_q = one[:, :, 1:, 1:], other[:, :, 1:, 1:]
        pairs = [ssim(of_p[:, i], of_p[:, j]) for i in range(heads) for j in range(heads)]
        dissimilarity = dissimilarity + (1 - torch.stack(pairs).mean(0)).mean(-1) / len(p)
        mean_p, mean_q = of_p.mean(1), of_q.mean(1)
        similar = functional.cosine_similarity(mean_p[:, :, None], mean_p[:, None], dim=-1)
        different = ~torch.eye(similar.shape[-1], dtype=torch.bool)
        variance = similar[:, different].var(-1, correction=0)
        spread = 0.5 * torch.log(2 * torch.pi * torch.e * (variance + 1e-8))
        entropy = entropy - spread / len(p)
        inside = ((mean_p - mean_q).abs() * mask[:, None]).sum((1, 2))
        align = align + inside / mask.sum(-1)
    return {"tv": tv, "inter_head": dissimilarity, "entropy": entropy, "align": align}


@pytest.mark.parametrize("name", ["tv", "inter_head", "entropy", "align"])
def test_terms_and_gradients_equal_the_plain_formulas(scenes_p: LoadedModel, name: str) -> None:
    start = scenes_p.normalise(scenes("calibration", range(3)).images)
    q = calibrated_q(scenes_p.model, QuantOptions(4, 4), BACKENDS["tails"].scheme, start)
    context = SynthesisContext.of(scenes_p, OPTIONS, make_q=lambda _: freeze_weights(q))
    mask = torch.rand(3, 64, generator=torch.Generator().manual_seed(0)) < 0.3
    outcomes = []
    for fast in (True, False):
        images = start.clone().requires_grad_()
        if fast:
            logits, maps_p, _ = context.run_recorded(context.model, images, drop_patches=False)
            maps_q = context.maps(context.quantized(images.detach()), images, len(maps_p), None)
            state = StepState(
                images=images,
                labels=torch.arange(3),
                prefix=1,
                reading="paper",
                generator=torch.Generator(),
                logits=logits,
                maps_p=maps_p,
                maps_q=maps_q,
                mask=mask,
            )
            value = OBJECTIVES[name](state)
        else:
            with record(scenes_p.model) as seen_p:
                scenes_p.model(images)
            with record(q) as seen_q:
                q(images)
            p_maps, q_maps = ([block.probs for block in seen] for seen in (seen_p, seen_q))
            value = plain_terms(images, torch.arange(3), p_maps, q_maps, mask)[name]
        outcomes.append((value.detach(), torch.autograd.grad(value.sum(), images)[0]))
    (value, gradient), (plain_value, plain_gradient) = outcomes
    torch.testing.assert_close(value, plain_value, rtol=1e-4, atol=1e-5)
    assert (gradient - plain_gradient).norm() < 1e-3 * plain_gradient.norm()
