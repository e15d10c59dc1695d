import copy
import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy.stats import spearmanr
from torch import Tensor, nn

from maskaq.config import QuantOptions
from maskaq.data.scenes import scenes
from maskaq.errors import OptionError
from maskaq.models.loading import LoadedModel
from maskaq.quantization.backends import BACKENDS
from maskaq.quantization.conversion.convert import convert
from maskaq.quantization.fitting.bit_allocation import (
    Sensitivity,
    allocate,
    mixed_layers,
    sensitivities,
)
from maskaq.quantization.quantizers.base import PerRow
from maskaq.tasks.classification import TASK


@pytest.fixture(scope="module")
def images(scenes_p: LoadedModel) -> Tensor:
    return scenes_p.normalise(scenes("calibration", range(48)).images)


@pytest.fixture(scope="module")
def names(scenes_p: LoadedModel) -> list[str]:
    q = convert(scenes_p.model, QuantOptions(), BACKENDS["mse"].scheme)
    return mixed_layers(q, QuantOptions())


@pytest.fixture(scope="module")
def found(scenes_p: LoadedModel, names: list[str], images: Tensor) -> dict[str, Sensitivity]:
    generator = torch.Generator().manual_seed(0)
    return sensitivities(scenes_p.model, names, images, generator, TASK.likelihood)


@torch.no_grad()
def measured(p: nn.Module, name: str, bits: int, images: Tensor) -> float:
    """KL divergence from P of a P in which one weight is rounded."""
    rounded = copy.deepcopy(p)
    weight = rounded.get_submodule(name).weight
    quantizer = PerRow(bits, len(weight), "mse")
    quantizer.calibrate(weight)
    weight.copy_(quantizer.quantize(weight))
    log_q, log_p = (model(images).log_softmax(-1) for model in (rounded, p))
    return float(F.kl_div(log_q, log_p, reduction="batchmean", log_target=True))


def test_the_estimate_ranks_layers_as_the_measurement_does(
    scenes_p: LoadedModel, names: list[str], images: Tensor, found: dict[str, Sensitivity]
) -> None:
    kl = [measured(scenes_p.model, name, 3, images[:16]) for name in names]
    estimated = [found[name].loss[3] for name in names]
    assert spearmanr(kl, estimated).statistic > 0.7
    assert 0.3 < sum(estimated) / sum(kl) < 3


def test_more_bits_lose_less(found: dict[str, Sensitivity]) -> None:
    for one in found.values():
        losses = [one.loss[bits] for bits in range(2, 9)]
        assert losses == sorted(losses, reverse=True)
        assert losses[-1] > 0


def test_first_and_last_layer_take_part_at_the_target_bits_only(scenes_p: LoadedModel) -> None:
    scheme = BACKENDS["mse"].scheme
    every = convert(scenes_p.model, QuantOptions(first_last="target"), scheme)
    layers = mixed_layers(every, QuantOptions(first_last="target"))
    assert {"patch_embed.proj", "head"} <= set(layers)
    assert not {"patch_embed.proj", "head"} & set(mixed_layers(every, QuantOptions()))


def test_a_convolution_is_rated_by_its_input_channels(scenes_p: LoadedModel, images: Tensor):
    name = "patch_embed.proj"
    one = sensitivities(
        scenes_p.model, [name], images, torch.Generator().manual_seed(0), TASK.likelihood
    )[name]
    assert one.weights == scenes_p.model.get_submodule(name).weight.numel()
    kl = measured(scenes_p.model, name, 4, images)
    assert kl / 5 < one.loss[4] < 5 * kl


@pytest.mark.parametrize("average", [2.0, 2.6, 3.5, 4.0, 8.0])
def test_the_solver_finds_the_best_of_all_choices(average: float) -> None:
    random = np.random.default_rng(0)
    layers = {}
    for number in range(4):
        losses = np.sort(random.exponential(size=5))[::-1]
        bits = dict(zip((2, 3, 4, 6, 8), losses.tolist(), strict=True))
        layers[str(number)] = Sensitivity(int(random.integers(10, 1000)), bits)
    total = sum(one.weights for one in layers.values())
    best = min(
        sum(one.loss[bits] for one, bits in zip(layers.values(), choice, strict=True))
        for choice in itertools.product((2, 3, 4, 6, 8), repeat=4)
        if sum(o.weights * b for o, b in zip(layers.values(), choice, strict=True))
        <= average * total + 1e-9
    )
    chosen = allocate(layers, average)
    assert list(chosen) == list(layers)
    assert sum(layers[name].loss[bits] for name, bits in chosen.items()) == pytest.approx(best)


def test_an_impossible_average_is_refused() -> None:
    with pytest.raises(OptionError, match=r"average_bits is 1\.5; allowed: 2 or more"):
        allocate({"a": Sensitivity(10, {2: 1.0, 3: 0.5})}, 1.5)
