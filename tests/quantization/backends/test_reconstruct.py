from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from maskaq.config import FitOptions, QuantOptions, Reconstruction
from maskaq.data.scenes import scenes
from maskaq.errors import OptionError
from maskaq.models.loading import LoadedModel
from maskaq.quantization.backends import FitTask, reconstruct
from maskaq.quantization.conversion.convert import convert
from maskaq.quantization.conversion.layers import QuantLinear
from maskaq.quantization.fitting.adaround import SoftRounding
from maskaq.quantization.fitting.qdrop import qdrop

SHORT = Reconstruction(steps=12, batch=6, views=2)
BACKEND = reconstruct.BACKEND


@pytest.fixture(scope="module")
def images() -> Tensor:
    return scenes("calibration", range(6)).images


def fit_task(
    p: LoadedModel, images: Tensor, bits: tuple[int, int] = (3, 3), **changes: object
) -> FitTask:
    options = FitOptions(backend="reconstruct", reconstruction=replace(SHORT, **changes))  # type: ignore[arg-type]
    q = convert(p.model, QuantOptions(*bits), BACKEND.scheme)
    return FitTask(p.model, q, images, p.normalise, p.prefix, options, seed=0)


def block_errors(monkeypatch: pytest.MonkeyPatch, task: FitTask) -> list[tuple[float, float]]:
    """Error of each block before and after its reconstruction, on the inputs it is trained on."""
    errors: list[tuple[float, float]] = []
    original = reconstruct._reconstruct

    def measured(
        task: FitTask, block: reconstruct._Block, generator: torch.Generator
    ) -> Iterator[float]:
        before = block.error()
        yield from original(task, block, generator)
        errors.append((before, block.error()))

    monkeypatch.setattr(reconstruct, "_reconstruct", measured)
    list(BACKEND.fit(task))
    return errors


@pytest.mark.slow
def test_no_block_gets_worse_and_most_get_better(
    scenes_p: LoadedModel, images: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = block_errors(monkeypatch, fit_task(scenes_p, images, rounding_lr=0.05))
    assert len(errors) == len(scenes_p.model.blocks)  # type: ignore[arg-type]
    assert all(after <= before for before, after in errors)
    assert sum(after < 0.9 * before for before, after in errors) > len(errors) / 2


def test_a_block_that_got_worse_is_restored(
    scenes_p: LoadedModel, images: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = fit_task(scenes_p, images, rounding_lr=1.0, step_lr=1.0, steps=2)
    assert all(after <= before for before, after in block_errors(monkeypatch, task))


def test_learning_that_harms_leaves_what_gptq_found(scenes_p: LoadedModel, images: Tensor) -> None:
    rounded = fit_task(scenes_p, images, steps=0, tune=0)
    harmed = fit_task(scenes_p, images, steps=2, rounding_lr=1.0, step_lr=1.0, tune=0)
    assert len(list(BACKEND.fit(rounded))) == 6
    assert len(list(BACKEND.fit(harmed))) == 18
    torch.testing.assert_close(dict(harmed.q.state_dict()), dict(rounded.q.state_dict()))


def test_gptq_beats_nearest_rounding_in_every_block(scenes_p: LoadedModel, images: Tensor) -> None:
    task = fit_task(scenes_p, images, (3, 8), steps=0, tune=0)
    assert max(event.metrics["block"] for event in BACKEND.fit(task)) < 0.6


@pytest.mark.parametrize("steps", [0, 2])
def test_weights_end_on_levels_and_quantizers_are_restored(
    scenes_p: LoadedModel, images: Tensor, steps: int
) -> None:
    task = fit_task(scenes_p, images, steps=steps)
    list(BACKEND.fit(task))
    for module in task.q.modules():
        assert not isinstance(module, SoftRounding)
        assert "quantize" not in vars(module)
    layer = task.q.get_submodule("blocks.1.mlp.fc1")
    assert isinstance(layer, QuantLinear)
    torch.testing.assert_close(layer.weight_quantizer(layer.weight), layer.weight)
    assert len(layer.weight[0].unique()) <= 8


def test_dropped_rows_are_not_rounded_and_the_others_are(
    scenes_p: LoadedModel, images: Tensor
) -> None:
    task = fit_task(scenes_p, images)
    reconstruct.set_ranges_by_output(task.q, scenes_p.normalise(images))
    block = task.q.get_submodule("blocks.0")
    quantizer = task.q.get_submodule("blocks.0.mlp.fc2.input_quantizer.patches")
    x = torch.randn(2, 500, 1).exp()
    with torch.no_grad():
        rounded = quantizer(x)
        with qdrop(block, 0.3, torch.Generator().manual_seed(0)):
            mixed = quantizer(x)
    dropped, kept = mixed == x, mixed == rounded
    assert (dropped | kept).all()
    assert 0.25 < dropped.float().mean() < 0.35
    assert torch.equal(quantizer(x).detach(), rounded.detach())


def test_informative_patches_have_a_higher_weight() -> None:
    targets = torch.zeros(1, 6, 2)
    targets[0, 4] = 3.0
    targets[0, 0] = 9.0  # the class token does not count
    options = FitOptions(mask_ratio=0.2, mask_weight=5.0)
    assert reconstruct._token_weights(targets, 1, options).tolist() == [[1, 1, 1, 1, 5, 1]]


@pytest.mark.parametrize("name, value", [("steps", -1), ("views", 0), ("drop", 1.0)])
def test_invalid_options_raise(name: str, value: float) -> None:
    with pytest.raises(OptionError, match="allowed"):
        Reconstruction(**{name: value})  # type: ignore[arg-type]
