from dataclasses import replace

import pytest
import timm
import torch
from torch import Tensor, nn

from maskaq.config import FitOptions, QuantOptions
from maskaq.data.scenes import scenes
from maskaq.errors import ModelError, OptionError
from maskaq.models.loading import LoadedModel
from maskaq.quantization.backends import FitTask
from maskaq.quantization.backends.ranges_only import (
    CORRECTION,
    TAILS,
    calibrated_q,
    fit_correction,
    set_ranges,
)
from maskaq.quantization.conversion.bias_correction import (
    Correction,
    add_corrections,
    correcting,
    mean_outputs,
)
from maskaq.quantization.conversion.convert import convert
from maskaq.quantization.conversion.freeze import freeze, freeze_weights
from maskaq.quantization.fitting.schedule import block_outputs
from maskaq.quantization.tensor_report import tensor_report
from maskaq.synthesis.shortcuts import PatchDropping

W3A3 = QuantOptions(3, 3)


@pytest.fixture(scope="module")
def images(scenes_p: LoadedModel) -> Tensor:
    return scenes("calibration", range(32)).images


@pytest.fixture(scope="module", params=["token", pytest.param("channel", marks=pytest.mark.slow)])
def corrected(request: pytest.FixtureRequest, scenes_p: LoadedModel, images: Tensor) -> nn.Module:
    q = convert(scenes_p.model, W3A3, replace(CORRECTION, correction=request.param))
    options = FitOptions(backend="correction")
    task = FitTask(scenes_p.model, q, images, scenes_p.normalise, 1, options, 0)
    assert [event.step for event in fit_correction(task)] == [1]
    return q.requires_grad_(False)


@torch.no_grad()
def outputs(model: nn.Module, images: Tensor) -> list[Tensor]:
    """Outputs of the blocks, [N,T,C] each."""
    with block_outputs(model) as recorded:
        model(images)
    return recorded


def test_every_block_is_closer_to_p_on_other_scenes(
    scenes_p: LoadedModel, images: Tensor, corrected: nn.Module
) -> None:
    held_out = scenes_p.normalise(scenes("calibration", range(100, 220)).images)
    plain = calibrated_q(scenes_p.model, W3A3, TAILS, scenes_p.normalise(images))
    targets = outputs(scenes_p.model, held_out)
    errors = [
        torch.stack(
            [(a - b).square().mean() for a, b in zip(outputs(q, held_out), targets, strict=True)]
        )
        for q in (corrected, plain)
    ]
    assert (errors[0] < errors[1]).all(), errors


def test_mean_outputs_equal_those_of_p(
    scenes_p: LoadedModel, images: Tensor, corrected: nn.Module
) -> None:
    """Except for a few values that float error moves to another level."""
    inputs = scenes_p.normalise(images)
    pairs = zip(outputs(scenes_p.model, inputs), outputs(corrected, inputs), strict=True)
    for p, q in pairs:
        gap, size = (p - q).mean(0), (p - q).abs().mean()
        if len(corrected.blocks[0].drop_path2.shift) == 2:
            gap = torch.stack([gap[0], gap[1:].mean(0)])  # [2,C]
        assert gap.abs().mean() < 0.02 * size


@torch.no_grad()
def test_corrections_equal_the_formula(scenes_p: LoadedModel, images: Tensor) -> None:
    """The blocks of Q are called one by one; each sees corrected inputs."""
    p, inputs = scenes_p.model, scenes_p.normalise(images[:5])
    q = convert(p, W3A3, CORRECTION)
    with correcting(q, mean_outputs(p, inputs)):
        set_ranges(q, inputs)
    shifts = [block.drop_path2.shift.clone() for block in q.blocks]
    for block in q.blocks:
        block.drop_path2.shift.zero_()
    x = q.norm_pre(q._pos_embed(q.patch_embed(inputs)))
    targets = outputs(p, inputs)
    for block, target, shift in zip(q.blocks, targets, shifts, strict=True):
        x = block(x)
        for token in (0, 1, 40):
            gap = sum(target[i, token] - x[i, token] for i in range(5)) / 5
            torch.testing.assert_close(shift[token], gap, rtol=1e-3, atol=1e-4)
        x = x + shift


def test_the_class_token_has_its_own_correction() -> None:
    gap = torch.arange(12.0).reshape(4, 3)
    correction = Correction(prefix=1, patches=1, channels=3)
    correction.set_to(gap)
    assert correction.shift.tolist() == [[0, 1, 2], [6, 7, 8]]
    assert correction(torch.zeros(2, 4, 3))[1].tolist() == [[0, 1, 2], *[[6, 7, 8]] * 3]


@pytest.mark.parametrize("prefix", [0, 1, 2])
@pytest.mark.parametrize("patches", [1, 5])
def test_another_number_of_patches_gets_the_mean_over_the_patches(
    prefix: int, patches: int
) -> None:
    correction = Correction(prefix, patches, 3)
    correction.shift.copy_(torch.randn(prefix + patches, 3))
    mean = correction.shift[prefix:].mean(0)
    for more in (0, 2, 9):
        rows = correction(torch.zeros(4, prefix + more, 3))[2]
        assert torch.equal(rows[:prefix], correction.shift[:prefix])
        torch.testing.assert_close(rows[prefix:], mean.expand(more, 3))
    whole = correction(torch.zeros(1, prefix + patches, 3))[0]
    torch.testing.assert_close(whole, correction.shift)


@torch.no_grad()
def test_other_batch_sizes_and_dropped_patches_work(
    scenes_p: LoadedModel, images: Tensor, corrected: nn.Module
) -> None:
    inputs = scenes_p.normalise(images)
    whole = corrected(inputs)
    for size in (1, 7):
        part = corrected(inputs[:size])
        assert (part.argmax(1) == whole[:size].argmax(1)).float().mean() > 0.8
    thin = freeze_weights(corrected)
    thinning = PatchDropping.insert_into(thin, 1)
    with thinning.keep_only(lambda: torch.arange(0, 64, 2).expand(32, -1)):
        logits = thin(inputs)
    assert logits.isfinite().all()
    assert torch.equal(thin(inputs), freeze_weights(corrected)(inputs))


@torch.no_grad()
def test_a_frozen_q_is_corrected(
    scenes_p: LoadedModel, images: Tensor, corrected: nn.Module
) -> None:
    inputs = scenes_p.normalise(images)
    expected, logits = corrected(inputs), freeze(corrected)(inputs)
    without = freeze(corrected)
    without.blocks[-1].source.drop_path2 = nn.Identity()
    assert (logits - expected).abs().mean() < 0.3 * (without(inputs) - expected).abs().mean()


def test_the_report_lists_corrections_as_float(
    scenes_p: LoadedModel, images: Tensor, corrected: nn.Module
) -> None:
    rows = {row.tensor: row for row in tensor_report(corrected, scenes_p.normalise(images[:2]))}
    row = rows["blocks.5.drop_path2.shift"]
    assert (row.bits, row.quantized) == (32, False)
    assert row.why


def test_p_is_not_changed(scenes_p: LoadedModel, images: Tensor) -> None:
    mean_outputs(scenes_p.model, scenes_p.normalise(images[:3]))
    assert not any(module._forward_hooks for module in scenes_p.model.modules())
    convert(scenes_p.model, W3A3, CORRECTION)
    assert not any(isinstance(module, Correction) for module in scenes_p.model.modules())


def test_mean_outputs_do_not_depend_on_the_batches(scenes_p: LoadedModel) -> None:
    inputs = scenes_p.normalise(scenes("calibration", range(40)).images)
    means = mean_outputs(scenes_p.model, inputs)
    for mean, output in zip(means, outputs(scenes_p.model, inputs), strict=True):
        torch.testing.assert_close(mean, output.mean(0), rtol=1e-3, atol=1e-4)


def test_an_unknown_kind_and_another_model_raise(scenes_p: LoadedModel) -> None:
    with pytest.raises(OptionError, match="did you mean 'token'"):
        convert(scenes_p.model, W3A3, replace(CORRECTION, correction="tokens"))
    with pytest.raises(ModelError, match="ResNet has no blocks whose output can be corrected"):
        add_corrections(timm.create_model("resnet10t"), "token")
