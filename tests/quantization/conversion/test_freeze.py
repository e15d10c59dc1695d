import copy
from collections.abc import Callable

import pytest
import torch
from torch import nn

from maskaq.config import QuantOptions
from maskaq.data.scenes import scenes
from maskaq.errors import NotCalibratedError
from maskaq.models.attention import record
from maskaq.models.loading import LoadedModel
from maskaq.quantization.backends import BACKENDS
from maskaq.quantization.backends.ranges_only import calibrated_q, set_ranges
from maskaq.quantization.conversion.convert import convert
from maskaq.quantization.conversion.freeze import codec_of, freeze, freeze_weights
from maskaq.quantization.fitting.output_error import set_ranges_by_output
from maskaq.quantization.quantizers.base import QUANTIZERS, PerRow

# Back-ends and bits that cover every kind of quantizer.
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
    """Makes a calibrated Q; each kind is calibrated only once."""
    cache: dict[tuple[str, int], nn.Module] = {}

    def make(backend: str, bits: int) -> nn.Module:
        if (backend, bits) not in cache:
            q = convert(scenes_p.model, QuantOptions(bits, bits), BACKENDS[backend].scheme)
            fit = set_ranges_by_output if backend in ("adalog", "reconstruct") else set_ranges
            fit(q, inputs[:4])
            cache[backend, bits] = q.requires_grad_(False)
        return copy.deepcopy(cache[backend, bits])

    return make


@pytest.mark.parametrize("threads", [1, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize("backend, bits", FROZEN)
def test_a_frozen_q_gives_the_logits_of_q(
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
    torch.set_num_threads(threads)  # which decides the kernels that torch uses
    try:
        with torch.no_grad():
            logits_p, logits_q, logits = (model(inputs) for model in (scenes_p.model, q, frozen))
    finally:
        torch.set_num_threads(before)
    # Float error moves some values to the next level, more of them in each layer.
    assert (logits - logits_q).abs().mean() < 0.3 * (logits_p - logits_q).abs().mean()
    assert (logits.argmax(1) == logits_q.argmax(1)).float().mean() >= 0.95


@pytest.mark.parametrize("layer", ["attn", "attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2"])
@pytest.mark.parametrize("backend, bits", FROZEN)
def test_a_frozen_layer_gives_the_same_output(
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
        expected, out = before(x), after(x)
    error = (out - expected).abs() / expected.abs().mean()
    assert error.median() < 1e-5
    assert (error > 0.1).float().mean() < 1e-2  # a few values move by one level


def test_products_are_taken_of_codes(fitted: Fitted, inputs: torch.Tensor) -> None:
    q = fitted("tails", 3)
    frozen = freeze(q)
    seen: list[torch.Tensor] = []
    layer = frozen.get_submodule("blocks.2.attn.source.qkv")
    encode = layer._encode
    layer._encode = lambda x: seen.append(encode(x)) or seen[-1]
    with torch.no_grad():
        frozen(inputs)
    assert torch.equal(seen[0], seen[0].round())
    assert (seen[0].amax((0, 1)) - seen[0].amin((0, 1))).max() <= 7  # 3 bits, per channel
    before = q.get_submodule("blocks.2.attn.qkv")
    gain = before.input_quantizer.scale
    torch.testing.assert_close(layer.weight / gain, before.weight_quantizer(before.weight))
    assert not any(isinstance(module, PerRow) for module in frozen.modules())


@pytest.mark.parametrize("kind", list(QUANTIZERS))
def test_the_codec_of_a_quantizer_rounds_as_the_quantizer(kind: str) -> None:
    x = torch.randn(500, 1, generator=torch.Generator().manual_seed(0)).square()
    quantizer = QUANTIZERS[kind](4, 1, "mse")
    quantizer.calibrate(x)
    quantizer.requires_grad_(False)
    encode, gain, shift = codec_of(quantizer)
    with torch.no_grad():
        torch.testing.assert_close(gain * encode(x) + shift, quantizer(x), atol=1e-6, rtol=1e-5)


def test_freezing_q_does_not_change_p(fitted: Fitted, scenes_p: LoadedModel) -> None:
    before = {name: value.clone() for name, value in scenes_p.model.state_dict().items()}
    freeze(fitted("tails", 3))
    after = scenes_p.model.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_p_can_be_frozen(scenes_p: LoadedModel, inputs: torch.Tensor) -> None:
    with torch.no_grad():
        torch.testing.assert_close(
            freeze(scenes_p.model)(inputs), scenes_p.model(inputs), atol=1e-4, rtol=1e-4
        )


@pytest.mark.parametrize("backend", ["tails", "lsq-kd", "repq"])
def test_frozen_weights_give_the_logits_maps_and_gradients_of_q(
    scenes_p: LoadedModel, inputs: torch.Tensor, backend: str
) -> None:
    q = calibrated_q(scenes_p.model, QuantOptions(4, 4), BACKENDS[backend].scheme, inputs[:4])
    frozen = freeze_weights(q)
    results = []
    for model in (q, frozen):
        images = inputs[:4].clone().requires_grad_()
        with record(model) as maps:
            logits = model(images)
        loss = logits.square().sum() + sum(block.probs.square().sum() for block in maps)
        results.append((logits, maps[-1].probs, torch.autograd.grad(loss, images)[0]))
    for expected, actual in zip(*results, strict=True):
        assert torch.equal(actual, expected)
    assert not any(parameter.requires_grad for parameter in frozen.parameters())


def test_freezing_weights_does_not_change_q(fitted: Fitted) -> None:
    q = fitted("tails", 3)
    before = {name: value.clone() for name, value in q.state_dict().items()}
    frozen = freeze_weights(q)
    assert all(torch.equal(value, before[name]) for name, value in q.state_dict().items())
    assert len(frozen.blocks[0].mlp.fc1.weight[0].unique()) <= 8  # type: ignore[index, union-attr]


@pytest.mark.parametrize("function", [freeze, freeze_weights])
def test_an_uncalibrated_q_raises(
    scenes_p: LoadedModel, function: Callable[[nn.Module], nn.Module]
) -> None:
    q = convert(scenes_p.model, QuantOptions(4, 4), BACKENDS["mse"].scheme)
    with pytest.raises(NotCalibratedError, match="no range yet"):
        function(q)
