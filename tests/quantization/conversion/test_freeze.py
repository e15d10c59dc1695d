from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import nn

from maskaq.config import QuantOptions
from maskaq.data.scenes import scenes
from maskaq.errors import NotCalibratedError
from maskaq.models.loading import LoadedModel
from maskaq.quantization.backends import BACKENDS
from maskaq.quantization.backends.ranges_only import set_ranges
from maskaq.quantization.conversion.convert import convert
from maskaq.quantization.conversion.freeze import coded, freeze
from maskaq.quantization.fitting.output_error import set_by_product
from maskaq.quantization.quantizers.base import QUANTIZERS, PerRow

# Back-end and bits of every kind of quantizer there is.
FROZEN = [
    ("minmax", 8),
    ("tails", 3),
    ("tails", 8),
    ("lsq-kd", 4),
    ("repq", 4),
    ("adalog", 4),
    ("reconstruct", 4),
]


@pytest.fixture(scope="module")
def inputs(scenes_p: LoadedModel) -> torch.Tensor:
    """Normalised scenes [20,3,64,64]."""
    return scenes_p.normalise(scenes("calibration", range(20)).images)


Fitted = Callable[[str, int], nn.Module]


@pytest.fixture(scope="module")
def fitted(scenes_p: LoadedModel, inputs: torch.Tensor) -> Fitted:
    """A Q of its own, by back-end and bits; the search for ranges is done once."""
    known: dict[tuple[str, int], nn.Module] = {}

    def make(backend: str, bits: int) -> nn.Module:
        if (backend, bits) not in known:
            q = convert(scenes_p.model, QuantOptions(bits, bits), BACKENDS[backend].scheme)
            fit = set_by_product if backend in ("adalog", "reconstruct") else set_ranges
            fit(q, inputs[:4])
            known[backend, bits] = q.requires_grad_(False)
        return copy.deepcopy(known[backend, bits])

    return make


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("backend, bits", FROZEN)
def test_a_frozen_q_answers_as_before(
    fitted: Fitted,
    scenes_p: LoadedModel,
    inputs: torch.Tensor,
    backend: str,
    bits: int,
    threads: int,
) -> None:
    q = fitted(backend, bits)
    frozen = freeze(q)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)  # which decides the kernels that torch takes
    try:
        with torch.no_grad():
            p, wanted, found = (model(inputs) for model in (scenes_p.model, q, frozen))
    finally:
        torch.set_num_threads(before)
    # A last digit tips a value over to the next level, and from layer to layer more of them.
    assert (found - wanted).abs().mean() < 0.3 * (p - wanted).abs().mean()
    assert (found.argmax(1) == wanted.argmax(1)).float().mean() >= 0.95


@pytest.mark.parametrize("layer", ["attn", "attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2"])
@pytest.mark.parametrize("backend, bits", FROZEN)
def test_a_frozen_layer_gives_what_it_gave_before(
    fitted: Fitted, backend: str, bits: int, layer: str
) -> None:
    q = fitted(backend, bits)
    frozen = freeze(q)
    before = q.get_submodule(f"blocks.3.{layer}")
    after = frozen.get_submodule(f"blocks.3.{layer}".replace("attn.", "attn.source."))
    width = 384 if layer == "mlp.fc2" else 192
    x = torch.randn(4, 65, width, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        x = torch.nn.functional.gelu(x) if layer == "mlp.fc2" else x
        wanted, found = before(x), after(x)
    apart = (found - wanted).abs() / wanted.abs().mean()
    assert apart.median() < 1e-5
    assert (apart > 0.1).float().mean() < 1e-2  # one level more or less, here and there


def test_products_are_taken_of_codes(fitted: Fitted, inputs: torch.Tensor) -> None:
    q = fitted("tails", 3)
    frozen = freeze(q)
    seen: list[torch.Tensor] = []
    layer = frozen.get_submodule("blocks.2.attn.source.qkv")
    code = layer._code
    layer._code = lambda x: seen.append(code(x)) or seen[-1]
    with torch.no_grad():
        frozen(inputs)
    assert torch.equal(seen[0], seen[0].round())
    assert (seen[0].amax((0, 1)) - seen[0].amin((0, 1))).max() <= 7  # of 3 bits, in each channel
    before = q.get_submodule("blocks.2.attn.qkv")
    gain = before.input_quantizer.scale
    torch.testing.assert_close(layer.weight / gain, before.weight_quantizer(before.weight))
    assert not any(isinstance(module, PerRow) for module in frozen.modules())


@pytest.mark.parametrize("kind", list(QUANTIZERS))
def test_the_parts_of_a_quantizer_make_the_whole(kind: str) -> None:
    x = torch.randn(500, 1, generator=torch.Generator().manual_seed(0)).square()
    quantizer = QUANTIZERS[kind](4, 1, "mse")
    quantizer.calibrate(x)
    quantizer.requires_grad_(False)
    code, gain, shift = coded(quantizer)
    with torch.no_grad():
        torch.testing.assert_close(gain * code(x) + shift, quantizer(x), atol=1e-6, rtol=1e-5)


def test_p_keeps_its_weights(fitted: Fitted, scenes_p: LoadedModel) -> None:
    before = {name: value.clone() for name, value in scenes_p.model.state_dict().items()}
    freeze(fitted("tails", 3))
    after = scenes_p.model.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_p_can_be_frozen_too(scenes_p: LoadedModel, inputs: torch.Tensor) -> None:
    with torch.no_grad():
        torch.testing.assert_close(
            freeze(scenes_p.model)(inputs), scenes_p.model(inputs), atol=1e-4, rtol=1e-4
        )


def test_a_q_without_ranges_cannot_be_frozen(scenes_p: LoadedModel) -> None:
    with pytest.raises(NotCalibratedError):
        freeze(convert(scenes_p.model, QuantOptions(4, 4), BACKENDS["mse"].scheme))
