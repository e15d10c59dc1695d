import copy
import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from maskaq.config import FitOptions, QuantOptions, Reconstruction
from maskaq.data.scenes import scenes
from maskaq.errors import OptionError
from maskaq.models.loading import LoadedModel
from maskaq.quantization.backends import BACKENDS, FitTask
from maskaq.quantization.conversion.convert import convert
from maskaq.quantization.conversion.layers import QuantConv2d, QuantLinear
from maskaq.quantization.fitting.finetune import RowGains, TuningImages, finetune
from maskaq.quantization.fitting.output_error import set_ranges_by_output
from maskaq.tasks.classification import TASK

SCHEME = BACKENDS["reconstruct"].scheme


@pytest.fixture(scope="module")
def images(scenes_p: LoadedModel) -> Tensor:
    return scenes_p.normalise(scenes("calibration", range(24)).images)


@pytest.fixture(scope="module")
def calibrated(scenes_p: LoadedModel, images: Tensor) -> nn.Module:
    q = convert(scenes_p.model, QuantOptions(3, 3), SCHEME).requires_grad_(False)
    set_ranges_by_output(q, images[:8])
    return q


@pytest.fixture
def q(calibrated: nn.Module) -> nn.Module:
    return copy.deepcopy(calibrated)


def tuning_images(images: Tensor) -> TuningImages:
    generator = torch.Generator().manual_seed(0)

    def sample() -> Tensor:
        return images[torch.randint(8, (6,), generator=generator)]

    return TuningImages(sample, generator, check=images[:8])


def weight_codes(q: nn.Module) -> dict[str, Tensor]:
    codes = {}
    for name, layer in q.named_modules():
        if isinstance(layer, QuantLinear | QuantConv2d):
            quantizer = layer.weight_quantizer
            column = (-1, *[1] * (layer.weight.ndim - 1))
            rounded = quantizer(layer.weight) / quantizer.scale.view(column)
            torch.testing.assert_close(rounded, rounded.round(), rtol=0, atol=1e-4)
            codes[name] = rounded.round()
    return codes


@torch.no_grad()
def divergence(p: nn.Module, q: nn.Module, images: Tensor) -> float:
    a, b = p(images).log_softmax(-1), q(images).log_softmax(-1)
    return F.kl_div(b, a, log_target=True, reduction="batchmean").item()


@pytest.mark.parametrize("name", ["blocks.1.mlp.fc1", "patch_embed.proj"])
def test_gains_scale_rows_and_merge_into_the_step_sizes(q: nn.Module, name: str) -> None:
    layer = q.get_submodule(name)
    assert isinstance(layer, QuantLinear | QuantConv2d)
    source, rounded = layer.weight_quantizer, layer.weight_quantizer(layer.weight)
    step = source.scale.clone()
    gains = RowGains(layer)
    torch.testing.assert_close(layer.weight_quantizer(layer.weight), rounded)
    gains.log_gain.data[0], gains.log_gain.data[1] = math.log(2), math.log(0.75)
    expected = rounded.clone()
    expected[0], expected[1] = 2 * rounded[0], 0.75 * rounded[1]
    torch.testing.assert_close(layer.weight_quantizer(layer.weight), expected)
    gains.merge()
    assert layer.weight_quantizer is source
    torch.testing.assert_close(source(layer.weight), expected)
    torch.testing.assert_close(source.scale[:3] / step[:3], torch.tensor([2, 0.75, 1]))


def test_q_moves_closer_to_p_on_other_images(
    scenes_p: LoadedModel, images: Tensor, q: nn.Module
) -> None:
    before, initial = divergence(scenes_p.model, q, images[8:]), weight_codes(q)
    losses = list(
        finetune(
            scenes_p.model, q, tuning_images(images), Reconstruction(tune=20), precision="float32"
        )
    )
    assert len(losses) == 20
    assert divergence(scenes_p.model, q, images[8:]) < before
    after = weight_codes(q)
    assert all(torch.equal(after[name], one) for name, one in initial.items())
    assert not any(value.requires_grad for value in q.parameters())
    assert not any(isinstance(module, RowGains) for module in q.modules())


def test_losses_are_taken_before_the_step(
    scenes_p: LoadedModel, images: Tensor, q: nn.Module
) -> None:
    batch = images[:6]
    outputs: dict[str, list[Tensor]] = {"p": [], "q": []}
    for key, model in (("p", scenes_p.model), ("q", q)):
        for block in model.blocks:  # type: ignore[union-attr]
            hook = block.register_forward_hook(lambda *a, key=key: outputs[key].append(a[2]))
            with torch.no_grad():
                model(batch)
            hook.remove()
    errors = [
        ((b - a) ** 2).sum() / (a**2).sum() for a, b in zip(outputs["p"], outputs["q"], strict=True)
    ]
    expected = {
        "distillation": divergence(scenes_p.model, q, batch),
        "outputs": float(sum(errors) / len(errors)),
    }
    same = TuningImages(lambda: batch, torch.Generator(), check=batch)
    first = next(finetune(scenes_p.model, q, same, Reconstruction(tune=1), precision="float32"))
    assert first == pytest.approx(expected, rel=1e-4)


def test_a_q_that_moved_away_from_p_is_restored(
    scenes_p: LoadedModel, images: Tensor, q: nn.Module
) -> None:
    with torch.no_grad():
        before, names = q(images), q.state_dict().keys()
    too_fast = Reconstruction(tune=3, tune_lr=1.0)
    list(finetune(scenes_p.model, q, tuning_images(images), too_fast, precision="float32"))
    assert q.state_dict().keys() == names
    with torch.no_grad():
        assert torch.equal(q(images), before)


def test_q_ends_in_the_state_that_is_closest_on_the_images_held_out(
    scenes_p: LoadedModel, images: Tensor, q: nn.Module
) -> None:
    tuning = tuning_images(images)
    distances: list[float] = []

    def loss(p: Tensor, q: Tensor) -> Tensor:
        value = TASK.divergence(p, q)
        if len(p) == len(tuning.check):
            distances.append(value.item())
        return value

    tuning = tuning._replace(loss=loss)
    unsteady = Reconstruction(tune=12, tune_lr=0.03)
    list(finetune(scenes_p.model, q, tuning, unsteady, precision="float32"))
    assert len(distances) == 13  # before the first step and after each
    assert min(distances) < distances[-1]
    found = divergence(scenes_p.model, q, tuning.check)
    assert found == pytest.approx(min(distances), rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    "bits, extra, tuned", [((2, 8), 0, 3), ((4, 4), 0, 0), ((4, 4), 1, 3), ((5, 5), 1, 0)]
)
def test_reconstruct_finetunes_at_the_end_with_few_bits(
    scenes_p: LoadedModel, bits: tuple[int, int], extra: int, tuned: int
) -> None:
    options = FitOptions(
        backend="reconstruct", reconstruction=Reconstruction(steps=1, batch=4, views=2, tune=3)
    )
    formats = QuantOptions(*bits)
    task = FitTask(
        scenes_p.model,
        convert(scenes_p.model, formats, SCHEME),
        scenes("calibration", range(6)).images,
        scenes_p.normalise,
        scenes_p.prefix,
        options,
        seed=0,
        formats=formats,
        extra_tune_bits=extra,
    )
    events = list(BACKENDS["reconstruct"].fit(task))
    blocks = len(scenes_p.model.blocks)  # type: ignore[arg-type]
    assert [event.step for event in events] == list(range(1, 2 * blocks + tuned + 1))
    assert {event.total for event in events} == {2 * blocks + tuned}
    metrics = [set(event.metrics) for event in events[2 * blocks :]]
    assert metrics == [{"distillation", "outputs"}] * tuned


@pytest.mark.parametrize(
    "change", [{"tune": -1}, {"tune": 100_001}, {"tune_lr": 2.0}, {"tune_bits": 33}]
)
def test_invalid_settings_raise(change: dict[str, float]) -> None:
    with pytest.raises(OptionError, match=next(iter(change))):
        replace(Reconstruction(), **change)  # type: ignore[arg-type]
