from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import nn

from maskaq.config import QuantOptions
from maskaq.data.scenes import scenes
from maskaq.errors import NotCalibratedError
from maskaq.models.attention import record
from maskaq.models.loading import Loaded
from maskaq.quantization.backends import BACKENDS
from maskaq.quantization.backends.ranges_only import set_ranges
from maskaq.quantization.convert import convert
from maskaq.quantization.freeze import freeze_weights
from maskaq.quantization.quantizers import PerRow


@pytest.fixture(scope="module")
def inputs(scenes_p: Loaded) -> torch.Tensor:
    """Normalised scenes [20,3,64,64]."""
    return scenes_p.normalise(scenes("calibration", range(20)).images)


Fitted = Callable[[str, int], nn.Module]


@pytest.fixture(scope="module")
def fitted(scenes_p: Loaded, inputs: torch.Tensor) -> Fitted:
    """A Q of its own, by back-end and bits; the search for ranges is done once."""
    known: dict[tuple[str, int], nn.Module] = {}

    def make(backend: str, bits: int) -> nn.Module:
        if (backend, bits) not in known:
            q = convert(scenes_p.model, QuantOptions(bits, bits), BACKENDS[backend].scheme)
            set_ranges(q, inputs[:4])
            known[backend, bits] = q.requires_grad_(False)
        return copy.deepcopy(known[backend, bits])

    return make


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("backend, bits", [("minmax", 8), ("tails", 3)])
def test_a_frozen_q_answers_as_before(
    fitted: Fitted, scenes_p: Loaded, inputs: torch.Tensor, backend: str, bits: int, threads: int
) -> None:
    q, frozen = fitted(backend, bits), fitted(backend, bits)
    freeze_weights(frozen)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)  # which decides the kernels that torch takes
    try:
        with torch.no_grad():
            p, wanted, found = (model(inputs) for model in (scenes_p.model, q, frozen))
    finally:
        torch.set_num_threads(before)
    # A last digit may tip a value over to the next level, so not every logit is the same.
    assert (found - wanted).abs().mean() < 0.05 * (p - wanted).abs().mean()
    assert (found.argmax(1) == wanted.argmax(1)).float().mean() >= 0.95


def test_weights_are_those_that_the_quantizers_gave(fitted: Fitted) -> None:
    q = fitted("tails", 3)
    layers = ("patch_embed.proj", "blocks.2.attn.qkv", "blocks.5.mlp.fc2", "head")
    wanted = {}
    for name in layers:
        layer = q.get_submodule(name)
        wanted[name] = layer.weight_quantizer(layer.weight).detach()
    freeze_weights(q)
    assert not any(isinstance(module, PerRow) for module in q.modules())
    for name in layers:
        found = q.get_submodule(name).weight
        assert torch.equal(found.view_as(wanted[name]), wanted[name])
        assert len(found[0].unique()) <= (256 if name in ("patch_embed.proj", "head") else 8)


def test_p_keeps_its_weights(fitted: Fitted, scenes_p: Loaded) -> None:
    before = {name: value.clone() for name, value in scenes_p.model.state_dict().items()}
    freeze_weights(fitted("tails", 3))
    after = scenes_p.model.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_attention_of_a_frozen_q_can_be_recorded(fitted: Fitted, inputs: torch.Tensor) -> None:
    q, frozen = fitted("minmax", 8), fitted("minmax", 8)
    freeze_weights(frozen)
    seen = []
    for model in (q, frozen):
        with torch.no_grad(), record(model) as maps:
            model(inputs[:2])
        seen.append(torch.stack([block.probs for block in maps]))
    assert (seen[0] - seen[1]).abs().mean() < 1e-4


def test_a_q_without_ranges_cannot_be_frozen(scenes_p: Loaded) -> None:
    with pytest.raises(NotCalibratedError):
        freeze_weights(convert(scenes_p.model, QuantOptions(4, 4), BACKENDS["mse"].scheme))
