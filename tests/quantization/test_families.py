"""Every family of backbones through every back-end and every source, on tiny random models."""

import copy
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from _pytest.mark import ParameterSet
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from maskaq.config import Coefficients, FitOptions, QuantOptions, Reconstruction, SynthesisOptions
from maskaq.models.attention import record
from maskaq.models.backbone import fuse_biases, tokens_of
from maskaq.models.loading import LoadedModel
from maskaq.models.structure import MATMULS, structure_of
from maskaq.quantization.backends import BACKENDS, FitTask
from maskaq.quantization.backends.ranges_only import (
    CORRECTION,
    MSE,
    calibrated_q,
    set_ranges,
)
from maskaq.quantization.conversion.bias_correction import Correction, correcting, mean_outputs
from maskaq.quantization.conversion.census import float_share, products
from maskaq.quantization.conversion.convert import convert
from maskaq.quantization.conversion.freeze import freeze
from maskaq.quantization.conversion.head_rotation import rotate_heads
from maskaq.quantization.conversion.layernorm_folding import fold, foldable_norm
from maskaq.quantization.quantizers.base import quantizers
from maskaq.quantization.quantizers.integer_format import IntegerFormat
from maskaq.quantization.quantizers.range_search import minmax
from maskaq.quantization.storage import load_q, save_q
from maskaq.quantization.tensor_report import tensor_report
from maskaq.synthesis.loop import Samples
from maskaq.synthesis.sources import SOURCES
from tests.support.families import BUILDERS, CLASSES, family, images_of

W8A8 = QuantOptions(8, 8)
ONCE = "its input does not depend on the image: it is computed once"
# Where a norm or a rotation by position follows the layers of queries and keys.
CHANGED_KEYS = ("qk-norm", "eva02", "eva02, separate", "dinov3", "swinv2", "swinv2, padded")
SCALED_HEADS = ("scale norm", "gated", "eva02, separate")  # what follows attention scales channels
OBLONG = ("vit 32x48", "swin 32x48")  # nothing makes or varies images that are not square
KINDS = ("registers", "beit", "dinov3", "swinv2")
LONG = (
    "mse",
    "adalog",
    "tails",
    "reconstruct",
)  # on one family of each kind, unless slow tests run


def cases() -> Iterator[ParameterSet]:
    for name in BUILDERS:
        for backend in BACKENDS:
            long = backend in LONG and name not in KINDS
            if name not in OBLONG or backend not in ("reconstruct", "lsq-kd"):
                yield pytest.param(name, backend, marks=[pytest.mark.slow] if long else [])


def loaded(name: str, p: nn.Module) -> LoadedModel:
    side = images_of(p).shape[-1]
    config = {"input_size": (3, side, side), "mean": (0.5,) * 3, "std": (0.5,) * 3}
    tokens, classes = tokens_of(p), tuple(f"class {index}" for index in range(CLASSES))
    return LoadedModel(name, fuse_biases(copy.deepcopy(p)), config, classes, *vars(tokens).values())


def pixels(model: nn.Module, count: int = 3) -> Tensor:
    """Images uint8 of the size that a model takes."""
    return (images_of(model, count) * 60 + 128).clamp(0, 255).to(torch.uint8)


def normalise(images: Tensor) -> Tensor:
    return images.float() / 127.5 - 1


def fitted(p: nn.Module, backend: str) -> nn.Module:
    """Q of 8 bits after a short fit."""
    reconstruction = Reconstruction(steps=2, batch=2, views=1, tune=0)
    options = FitOptions(backend=backend, epochs=1, batch=2, reconstruction=reconstruction)
    q, prefix = convert(p, W8A8, BACKENDS[backend].scheme), tokens_of(p).prefix
    task = FitTask(p, q, pixels(p), normalise, prefix, options, 0, formats=W8A8)
    events = list(BACKENDS[backend].fit(task))
    assert [event.step for event in events] == list(range(1, len(events) + 1))
    return q.requires_grad_(False)


def gap(out: Tensor, expected: Tensor) -> float:
    """Relative error."""
    return float((out - expected).norm() / expected.norm())


@pytest.mark.parametrize("name, backend", list(cases()))
def test_every_back_end_stays_close_to_p_at_8_bits(name: str, backend: str, tmp_path: Path) -> None:
    """Also frozen, and after storing and loading bit for bit."""
    p = family(name)
    images, before = normalise(pixels(p)), copy.deepcopy(p.state_dict())
    q = fitted(p, backend)
    logits, expected = q(images), p(images)
    # Two steps change the bias of keys from 0, which padding alone would keep: their direction.
    unusual = (name, backend) == ("swinv2, padded", "lsq-kd")
    assert gap(logits, expected) < (0.4 if unusual else 0.1)
    assert all(torch.equal(value, before[key]) for key, value in p.state_dict().items())
    assert all(quantizer.ready.all() for _, quantizer in quantizers(q))
    assert gap(freeze(q)(images), logits) < gap(logits, expected)
    path = tmp_path / "q.safetensors"
    save_q(q, path, options=W8A8, backend=backend, model=name)
    assert torch.equal(load_q(path, p)(images), logits)


@pytest.mark.parametrize("name", BUILDERS)
def test_every_tensor_is_quantized_or_named_with_a_reason(name: str) -> None:
    p = family(name)
    images = images_of(p)
    q = calibrated_q(p, QuantOptions(4, 4), MSE, images)
    assert {row.reason for row in products(q)} <= {"", ONCE}
    plain = {key for key, own in q.named_modules() if type(own) in (nn.Linear, nn.Conv2d)}
    assert plain == {row.name for row in products(q) if row.reason}
    rows = tensor_report(q, images)
    assert len({row.tensor for row in rows}) == len(rows)
    assert sum(row.quantized for row in rows) == len(list(quantizers(q)))
    assert all(row.sqnr_db and row.sqnr_db > 5 for row in rows if row.quantized)
    assert all(row.why for row in rows if not row.quantized)
    shapes = {key: value.shape for key, value in q.named_parameters()}
    matrices = {row.tensor: row.why for row in rows if len(shapes.get(row.tensor, ())) > 1}
    assert all(why != "a parameter outside of all matrix products" for why in matrices.values())


class Counter(TorchFunctionMode):
    """Counts the multiply-adds of a pass; a product of few different values is quantized.

    total, in_float: multiply-adds.
    """

    def __init__(self, levels: int) -> None:
        super().__init__()
        self.levels, self.total, self.in_float = levels, 0, 0

    def __torch_function__(self, func, types, args=(), kwargs=None):
        out, name = func(*args, **(kwargs or {})), getattr(func, "__name__", "")
        if name in ("linear", "conv2d", *MATMULS, "scaled_dot_product_attention", "einsum"):
            first, second = args[:2]
            layer = name in ("linear", "conv2d")
            count = out.numel() * (second[0].numel() if layer else first.shape[-1])
            rows = second.flatten(1) if layer else [second]
            limit = 256 if name == "conv2d" else self.levels  # of the image
            few = len(first.unique()) <= limit
            few = few and all(len(row.unique()) <= self.levels for row in rows)
            self.total += count
            self.in_float += 0 if few else count
        return out


@pytest.mark.parametrize("name", BUILDERS)
def test_the_census_equals_a_count_of_the_products_of_a_pass(name: str) -> None:
    """Independent of it: what is quantized has few different values."""
    p = family(name)
    options = QuantOptions(2, 2, layernorm="tensor", first_last="target")
    q = calibrated_q(p, options, MSE, images_of(p))
    with Counter(levels=4) as counter:
        q(images_of(p, 1))
    rows = products(q)
    assert counter.total == sum(row.multiply_adds for row in rows)
    assert counter.in_float == sum(row.multiply_adds for row in rows if row.reason)
    assert float_share(rows) == counter.in_float / counter.total


@pytest.mark.parametrize("name", BUILDERS)
def test_rotating_heads_does_not_change_p(name: str) -> None:
    p, model = family(name), fuse_biases(family(name))
    images, before = images_of(p), copy.deepcopy(model.state_dict())
    rotate_heads(model)
    assert gap(model(images), p(images)) < 1e-5
    changed = {key for key, value in model.state_dict().items() if (value != before[key]).any()}
    keys, values = name not in CHANGED_KEYS, name not in SCALED_HEADS
    for layer, call in structure_of(model).attention.items():
        out = [key for key in changed if key.startswith(f"{layer}.proj")]
        assert bool(out) == values
        own = [key for key in changed if key.startswith(f"{layer}.") and key not in out]
        assert bool(own) == (keys or values), call


@pytest.mark.parametrize("name", BUILDERS)
def test_folding_layernorms_does_not_change_p(name: str) -> None:
    p, model = family(name), fuse_biases(family(name))
    images, form = images_of(p), IntegerFormat(4, signed=False)
    folded = 0
    for layer, module in list(model.named_modules()):
        norm = foldable_norm(model, layer) if isinstance(module, nn.Linear) else None
        if norm is not None:
            if module.bias is None:
                module.bias = nn.Parameter(torch.zeros(module.out_features), requires_grad=False)
            x = torch.randn(99, norm.weight.numel(), generator=torch.Generator().manual_seed(0))
            fold(norm, module, minmax(x * norm.weight + norm.bias, form))
            folded += 1
    assert gap(model(images), p(images)) < 1e-5
    assert (folded > 0) == (name not in ("swiglu, rms norm", "swinv2", "swinv2, padded"))


@pytest.mark.parametrize("name", BUILDERS)
def test_corrected_blocks_have_the_mean_of_p(name: str) -> None:
    p = family(name)
    images = images_of(p)
    q = convert(p, QuantOptions(4, 4), CORRECTION)
    with correcting(q, mean_outputs(p, images)):
        set_ranges(q, images)
    means, corrected = mean_outputs(p, images), mean_outputs(q, images)
    for module in q.modules():
        if isinstance(module, Correction):
            module.shift.zero_()
    for mean, one, plain in zip(means, corrected, mean_outputs(q, images), strict=True):
        assert gap(one, mean) < 0.2 * gap(plain, mean)


COEFFICIENTS = Coefficients(one_hot=1.0, tv=1e-5, inter_head=1.0, entropy=1.0, align=0.1)
OPTIONS = SynthesisOptions(
    images=2, batch=2, steps=2, parametrisation="pixels", coefficients=COEFFICIENTS
)


@pytest.mark.parametrize("name", [name for name in BUILDERS if name not in OBLONG])
def test_every_source_makes_images(name: str) -> None:
    """The terms are finite, and the gradient reaches every image."""
    model = loaded(name, family(name))

    def make_q(images: Tensor) -> nn.Module:
        return calibrated_q(model.model, QuantOptions(4, 4), MSE, images)

    def images_of_source(source: str, steps: int) -> Tensor:
        options = replace(OPTIONS, steps=steps)
        *events, samples = SOURCES[source](
            model, options, seed=0, make_q=make_q, calibration=lambda n: (pixels(model.model, n), n)
        )
        assert isinstance(samples, Samples)
        for event in events:
            assert all(math.isfinite(value) for value in event.metrics.values())
        return samples.images

    start = images_of_source("mimiq", 0)
    for source in ("maskaq", "mimiq", "psaq", "sardfq", "e2h"):
        moved = (images_of_source(source, 2) != start).flatten(1).float().mean(1)  # [B]
        assert moved.min() > 0.7, source  # pixels at either end of the range may stay there


@pytest.mark.parametrize("name", BUILDERS)
def test_gradients_of_all_maps_reach_the_image(name: str) -> None:
    p = family(name)
    for model in (p, calibrated_q(p, QuantOptions(4, 4), MSE, images_of(p))):
        images = images_of(p).requires_grad_()
        with record(model) as maps:
            logits = model(images)
        for part in (logits, *(own for block in maps for own in block[:3])):
            (gradient,) = torch.autograd.grad(part.square().sum(), images, retain_graph=True)
            assert gradient.flatten(1).abs().sum(1).min() > 0
