from __future__ import annotations

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
from maskaq.quantization.fitting.finetune import Gained, Views, tune
from maskaq.quantization.fitting.output_error import set_by_product

SCHEME = BACKENDS["reconstruct"].scheme


@pytest.fixture(scope="module")
def images(scenes_p: LoadedModel) -> Tensor:
    return scenes_p.normalise(scenes("calibration", range(24)).images)


@pytest.fixture
def q(scenes_p: LoadedModel, images: Tensor) -> nn.Module:
    made = convert(scenes_p.model, QuantOptions(3, 3), SCHEME).requires_grad_(False)
    set_by_product(made, images[:8])
    return made


def drawing(images: Tensor) -> Views:
    generator = torch.Generator().manual_seed(0)

    def draw() -> Tensor:
        return images[torch.randint(8, (6,), generator=generator)]

    return Views(draw, generator, judged=images[:8])


def codes(q: nn.Module) -> dict[str, Tensor]:
    found = {}
    for name, layer in q.named_modules():
        if isinstance(layer, QuantLinear | QuantConv2d):
            quantizer = layer.weight_quantizer
            column = (-1, *[1] * (layer.weight.ndim - 1))
            rounded = quantizer(layer.weight) / quantizer.scale.view(column)
            torch.testing.assert_close(rounded, rounded.round(), rtol=0, atol=1e-4)
            found[name] = rounded.round()
    return found


@torch.no_grad()
def divergence(p: nn.Module, q: nn.Module, images: Tensor) -> float:
    a, b = p(images).log_softmax(-1), q(images).log_softmax(-1)
    return F.kl_div(b, a, log_target=True, reduction="batchmean").item()


@pytest.mark.parametrize("name", ["blocks.1.mlp.fc1", "patch_embed.proj"])
def test_gains_move_whole_rows_and_settle_into_the_steps(q: nn.Module, name: str) -> None:
    layer = q.get_submodule(name)
    assert isinstance(layer, QuantLinear | QuantConv2d)
    source, rounded = layer.weight_quantizer, layer.weight_quantizer(layer.weight)
    step = source.scale.clone()
    gained = Gained(layer)
    torch.testing.assert_close(layer.weight_quantizer(layer.weight), rounded)
    gained.log_gain.data[0], gained.log_gain.data[1] = math.log(2), math.log(0.75)
    wanted = rounded.clone()
    wanted[0], wanted[1] = 2 * rounded[0], 0.75 * rounded[1]
    torch.testing.assert_close(layer.weight_quantizer(layer.weight), wanted)
    gained.settle()
    assert layer.weight_quantizer is source
    torch.testing.assert_close(source(layer.weight), wanted)
    torch.testing.assert_close(source.scale[:3] / step[:3], torch.tensor([2, 0.75, 1]))


def test_q_comes_closer_to_p_on_images_it_did_not_learn_from(
    scenes_p: LoadedModel, images: Tensor, q: nn.Module
) -> None:
    before, levels = divergence(scenes_p.model, q, images[8:]), codes(q)
    losses = list(
        tune(scenes_p.model, q, drawing(images), Reconstruction(tune=40), precision="float32")
    )
    assert len(losses) == 40
    assert divergence(scenes_p.model, q, images[8:]) < before
    after = codes(q)
    assert all(torch.equal(after[name], one) for name, one in levels.items())
    assert not any(value.requires_grad for value in q.parameters())
    assert not any(isinstance(module, Gained) for module in q.modules())


def test_the_losses_are_those_of_p_and_q_before_each_step(
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
    shares = [
        ((b - a) ** 2).sum() / (a**2).sum() for a, b in zip(outputs["p"], outputs["q"], strict=True)
    ]
    wanted = {
        "distillation": divergence(scenes_p.model, q, batch),
        "outputs": float(sum(shares) / len(shares)),
    }
    views = Views(lambda: batch, torch.Generator(), judged=batch)
    first = next(tune(scenes_p.model, q, views, Reconstruction(tune=1), precision="float32"))
    assert first == pytest.approx(wanted, rel=1e-4)


def test_a_q_that_moved_away_from_p_is_put_back(
    scenes_p: LoadedModel, images: Tensor, q: nn.Module
) -> None:
    before = {name: value.clone() for name, value in q.state_dict().items()}
    wild = Reconstruction(tune=3, tune_lr=1.0)
    list(tune(scenes_p.model, q, drawing(images), wild, precision="float32"))
    after = q.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(after[name], value) for name, value in before.items())


@pytest.mark.parametrize("bits, tuned", [((3, 3), 3), ((2, 8), 3), ((4, 4), 0)])
def test_reconstruct_tunes_at_the_end_where_bits_are_few(
    scenes_p: LoadedModel, bits: tuple[int, int], tuned: int
) -> None:
    options = FitOptions(
        backend="reconstruct", reconstruction=Reconstruction(steps=1, batch=4, views=2, tune=3)
    )
    formats = QuantOptions(*bits)
    work = FitTask(
        scenes_p.model,
        convert(scenes_p.model, formats, SCHEME),
        scenes("calibration", range(6)).images,
        scenes_p.normalise,
        scenes_p.prefix,
        options,
        seed=0,
        formats=formats,
    )
    events = list(BACKENDS["reconstruct"].fit(work))
    blocks = len(scenes_p.model.blocks)  # type: ignore[arg-type]
    assert [event.step for event in events] == list(range(1, blocks + tuned + 1))
    assert {event.total for event in events} == {blocks + tuned}
    found = [set(event.metrics) for event in events[blocks:]]
    assert found == [{"distillation", "outputs"}] * tuned


@pytest.mark.parametrize(
    "change", [{"tune": -1}, {"tune": 100_001}, {"tune_lr": 2.0}, {"tune_bits": 33}]
)
def test_impossible_settings_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(OptionError, match=next(iter(change))):
        replace(Reconstruction(), **change)  # type: ignore[arg-type]
