from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from maskaq.config import FitOptions, QuantOptions, Reconstruction
from maskaq.data.scenes import scenes
from maskaq.errors import OptionError
from maskaq.models.loading import LoadedModel
from maskaq.quantization.backends import BACKENDS, FitTask, reconstruct
from maskaq.quantization.conversion.convert import convert
from maskaq.quantization.conversion.layers import QuantLinear
from maskaq.quantization.fitting.adaround import SoftRounding
from maskaq.quantization.fitting.fisher import sensitivity
from maskaq.quantization.quantizers.base import PerRow

SMALL = Reconstruction(steps=12, batch=6, views=2)
BACKEND = BACKENDS["reconstruct"]


@pytest.fixture(scope="module")
def images() -> Tensor:
    return scenes("calibration", range(8)).images


def task(p: LoadedModel, images: Tensor, bits: int = 3, **changes: object) -> FitTask:
    options = FitOptions(backend="reconstruct", reconstruction=replace(SMALL, **changes))  # type: ignore[arg-type]
    q = convert(p.model, QuantOptions(bits, bits), BACKEND.scheme)
    return FitTask(p.model, q, images, p.normalise, p.prefix, options, seed=0)


def layer(bits: int = 3) -> QuantLinear:
    torch.manual_seed(0)
    source = nn.Linear(6, 4)
    weight = PerRow(bits, 4, "mse")
    weight.calibrate(source.weight)
    return QuantLinear(source, weight, nn.Identity()).requires_grad_(False)  # type: ignore[arg-type]


def test_soft_rounding_starts_at_the_weights_and_settles_on_the_levels() -> None:
    one = layer()
    before, source = one.weight.clone(), one.weight_quantizer
    soft = SoftRounding(one)
    scale = source.scale[:, None]
    inside = (before / scale >= source.form.qmin) & (before / scale <= source.form.qmax)
    apart = (one.weight_quantizer(one.weight) - before).abs() / scale
    assert apart[inside].max() < 0.011  # shares are kept 1 % away from the ends
    soft.choice.data.neg_()
    soft.settle()
    assert one.weight_quantizer is source
    torch.testing.assert_close(source(one.weight), one.weight)
    codes = (one.weight / scale).round()
    assert codes.min() >= source.form.qmin
    assert codes.max() <= source.form.qmax
    floor = (before / scale).floor().clamp(source.form.qmin, source.form.qmax)
    assert set((codes - floor).unique().tolist()) <= {0.0, 1.0}


def test_rounding_is_learned_through_h_and_decided_by_the_regulariser() -> None:
    one = layer()
    soft = SoftRounding(one)
    value = soft.up().detach()
    wanted = 1 - (2 * value - 1).abs().pow(3).mean()
    torch.testing.assert_close(soft.undecided(3.0).detach(), wanted)
    optimiser = torch.optim.Adam([soft.choice], 0.05)
    for _ in range(300):
        optimiser.zero_grad()
        soft.undecided(2.0).backward()
        optimiser.step()
    assert soft.undecided(2.0) < 0.05  # one weight that began at 0.5 stays there
    decided = (value > 0.5) == (soft.up() > 0.5)
    assert decided[(value - 0.5).abs() > 0.01].all()


def test_sensitivity_is_the_root_of_the_mean_squared_gradient(
    scenes_p: LoadedModel, images: Tensor
) -> None:
    inputs = scenes_p.normalise(images[:3])
    found = sensitivity(scenes_p.model, inputs, 1, torch.Generator().manual_seed(0), batch=3)
    assert len(found) == len(scenes_p.model.blocks)  # type: ignore[arg-type]
    outputs: list[Tensor] = []
    hook = scenes_p.model.blocks[2].register_forward_hook(lambda *a: outputs.append(a[2]))  # type: ignore[index, union-attr]
    logits = scenes_p.model(inputs.requires_grad_())
    hook.remove()
    generator = torch.Generator().manual_seed(0)
    answer = torch.multinomial(logits.detach().softmax(-1), 1, generator=generator)
    squares = torch.zeros(outputs[0].shape[1:])
    for image in range(3):
        chance = logits[image].log_softmax(-1)[answer[image, 0]]
        squares += torch.autograd.grad(chance, outputs[0], retain_graph=True)[0][image].square()
    squares[1:] = squares[1:].mean(0)
    roots = squares.sqrt()
    torch.testing.assert_close(found[2], roots / roots.mean(), rtol=1e-3, atol=1e-4)
    assert found[-1][1:].abs().max() == 0  # nothing reads the last block's patches


def errors_of(monkeypatch: pytest.MonkeyPatch, work: FitTask) -> list[tuple[float, float]]:
    """Error of each block before and after it has learned, on the inputs it learned from."""
    pairs: list[tuple[float, float]] = []
    original: Callable[..., object] = reconstruct._learn

    def watched(*inputs: object) -> object:
        _, block, stream, wanted, weight, _ = inputs
        first = reconstruct._error(block, stream.q, wanted, weight)  # type: ignore[arg-type, attr-defined]
        yield from original(*inputs)  # type: ignore[misc]
        pairs.append((first, reconstruct._error(block, stream.q, wanted, weight)))  # type: ignore[arg-type, attr-defined]

    monkeypatch.setattr(reconstruct, "_learn", watched)
    list(BACKEND.fit(work))
    return pairs


def test_no_block_gets_worse_and_most_get_better(
    scenes_p: LoadedModel, images: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = errors_of(monkeypatch, task(scenes_p, images, rounding_lr=0.05))
    assert len(pairs) == len(scenes_p.model.blocks)  # type: ignore[arg-type]
    assert all(after <= before for before, after in pairs)
    assert sum(after < 0.9 * before for before, after in pairs) > len(pairs) / 2


def test_a_block_that_learned_nothing_good_stays_as_it_was(
    scenes_p: LoadedModel, images: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = errors_of(monkeypatch, task(scenes_p, images, rounding_lr=1.0, step_lr=1.0, steps=2))
    assert all(after <= before for before, after in pairs)


def test_weights_end_on_the_levels_and_quantizers_are_themselves(
    scenes_p: LoadedModel, images: Tensor
) -> None:
    work = task(scenes_p, images, steps=2)
    list(BACKEND.fit(work))
    for module in work.q.modules():
        assert not isinstance(module, SoftRounding)
        assert "quantize" not in vars(module)
    one = work.q.get_submodule("blocks.1.mlp.fc1")
    assert isinstance(one, QuantLinear)
    torch.testing.assert_close(one.weight_quantizer(one.weight), one.weight)
    assert len(one.weight[0].unique()) <= 8


def test_dropped_rows_pass_unrounded_and_the_others_rounded(
    scenes_p: LoadedModel, images: Tensor
) -> None:
    work = task(scenes_p, images)
    reconstruct.set_by_product(work.q, scenes_p.normalise(images))
    block = work.q.get_submodule("blocks.0")
    quantizer = work.q.get_submodule("blocks.0.mlp.fc2.input_quantizer.patches")
    x = torch.randn(2, 500, 1).exp()
    with torch.no_grad():
        rounded = quantizer(x)
        with reconstruct.dropped(block, 0.3, torch.Generator().manual_seed(0)):
            mixed = quantizer(x)
    free, levels = mixed == x, mixed == rounded
    assert (free | levels).all()
    assert 0.25 < free.float().mean() < 0.35
    assert torch.equal(quantizer(x).detach(), rounded.detach())


def test_informative_tokens_count_more() -> None:
    wanted = torch.zeros(1, 6, 2)
    wanted[0, 4] = 3.0
    wanted[0, 0] = 9.0  # the class token is no patch
    options = FitOptions(mask_ratio=0.2, mask_weight=5.0)
    assert reconstruct._informative(wanted, 1, options).tolist() == [[1, 1, 1, 1, 5, 1]]


@pytest.mark.parametrize("name, value", [("steps", 0), ("views", 0), ("drop", 1.0)])
def test_values_that_make_no_sense_are_refused(name: str, value: float) -> None:
    with pytest.raises(OptionError, match="allowed"):
        Reconstruction(**{name: value})  # type: ignore[arg-type]
