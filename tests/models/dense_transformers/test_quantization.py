"""Quantizing wrapped models, and making images for them."""

import copy
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from maskaq.config import (
    Coefficients,
    FitOptions,
    QuantOptions,
    Reconstruction,
    Savings,
    SynthesisOptions,
)
from maskaq.errors import ModelError, OptionError
from maskaq.models.attention import record
from maskaq.models.loading import LoadedModel
from maskaq.models.structure import MATMULS, structure_of
from maskaq.quantization.backends import BACKENDS, FitTask
from maskaq.quantization.backends.ranges_only import MSE, TAILS, calibrated_q
from maskaq.quantization.conversion.census import float_share, products
from maskaq.quantization.conversion.convert import convert
from maskaq.quantization.conversion.freeze import freeze
from maskaq.quantization.conversion.head_rotation import rotate_heads
from maskaq.quantization.quantizers.base import quantizers
from maskaq.quantization.storage import load_q, save_q
from maskaq.synthesis.context import SynthesisContext
from maskaq.synthesis.loop import Samples
from maskaq.synthesis.sources import SOURCES
from maskaq.tasks import TASKS
from tests.support.dense_transformers import BUILDERS, WINDOWED, noise

pytest.importorskip("transformers", reason="transformers is not installed")

Load = Callable[[str], LoadedModel]
W8A8 = QuantOptions(8, 8)
RANGES_ONLY = ("minmax", "mse", "tails", "repq", "adalog")
CHAINS = ("upernet, dinov2", "upernet, registers", "upernet, beit")
# Transposed convolutions.
IN_FLOAT = {
    "dpt": {f"model.neck.reassemble_stage.layers.{index}.resize" for index in range(2)},
    "upernet, beit": {
        f"model.backbone.fpn.{name}"
        for name in ("fpn1.conv_transpose1", "fpn1.conv_transpose2", "fpn2")
    },
}


def pixels(name: str) -> Tensor:
    """Images uint8 [3,3,S,S]."""
    return (noise(name) * 60 + 128).clamp(0, 255).to(torch.uint8)


def fitted(p: LoadedModel, images: Tensor, backend: str) -> nn.Module:
    """Q of 8 bits, fitted to images uint8 [N,3,S,S]."""
    reconstruction = Reconstruction(steps=2, batch=2, views=1, tune=0)
    options = FitOptions(backend=backend, epochs=1, batch=2, reconstruction=reconstruction)
    q = convert(p.model, W8A8, BACKENDS[backend].scheme)
    task = FitTask(p.model, q, images, p.normalise, p.prefix, options, 0, formats=W8A8)
    list(BACKENDS[backend].fit(task))
    return q.requires_grad_(False)


def gap(out: Tensor, expected: Tensor) -> float:
    """Relative error."""
    return float((out - expected).norm() / expected.norm())


@pytest.mark.parametrize("name, backend", [(n, b) for n in BUILDERS for b in RANGES_ONLY])
@torch.no_grad()
def test_back_ends_that_set_ranges_stay_close_to_p(
    name: str, backend: str, loaded: Load, tmp_path: Path
) -> None:
    """Also frozen, and after storing and loading bit for bit."""
    p = loaded(name)
    images, before = p.normalise(pixels(name)), copy.deepcopy(p.model.state_dict())
    q = fitted(p, pixels(name), backend)
    outputs, expected = q(images), p.model(images)
    assert outputs.isfinite().all()
    assert 0 < gap(outputs, expected) < 0.2
    assert all(torch.equal(value, before[key]) for key, value in p.model.state_dict().items())
    assert all(quantizer.ready.all() for _, quantizer in quantizers(q))
    assert gap(freeze(q)(images), outputs) < gap(outputs, expected)
    path = tmp_path / "q.safetensors"
    save_q(q, path, options=W8A8, backend=backend, model=name)
    assert torch.equal(load_q(path, p.model)(images), outputs)


@pytest.mark.parametrize("name", BUILDERS)
@torch.no_grad()
def test_every_layer_is_quantized_and_the_rest_named(name: str, loaded: Load) -> None:
    p = loaded(name)
    q = calibrated_q(p.model, W8A8, MSE, noise(name))
    kinds = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)
    plain = {key for key, own in q.named_modules() if type(own) in kinds}
    rows = products(q)
    assert plain == {row.name for row in rows if row.reason} == IN_FLOAT.get(name, set())
    assert {row.kind for row in rows if row.reason} <= {"other"}
    layers = [own for own in p.model.modules() if isinstance(own, nn.Linear | nn.Conv2d)]
    assert len(layers) == sum(row.kind == "layer" for row in rows)
    calls = structure_of(p.model).attention
    assert [row.name for row in rows if row.kind == "attention"] == list(calls)
    assert all([own.kind for own in call.sources] == ["linear"] * 3 for call in calls.values())


class Counter(TorchFunctionMode):
    """Counts the multiply-adds of a pass."""

    total = 0

    def __torch_function__(self, func, types, args=(), kwargs=None):
        out, name = func(*args, **(kwargs or {})), getattr(func, "__name__", "")
        if name in ("linear", "conv2d"):
            self.total += out.numel() * args[1][0].numel()
        elif name == "conv_transpose2d":
            height, width = args[1].shape[2:]
            self.total += out.numel() * args[1].shape[0]  # each output is in one tile
            assert out.shape[2:] == (args[0].shape[2] * height, args[0].shape[3] * width)
        elif name in MATMULS:
            self.total += out.numel() * args[0].shape[-1]
        return out


@pytest.mark.parametrize("name", BUILDERS)
@torch.no_grad()
def test_the_census_equals_a_count_of_the_products_of_a_pass(name: str, loaded: Load) -> None:
    q = calibrated_q(loaded(name).model, W8A8, MSE, noise(name))
    with Counter() as counter:
        q(noise(name, 1))
    rows = products(q)
    assert counter.total == sum(row.multiply_adds for row in rows)
    assert (float_share(rows) > 0) == (name in IN_FLOAT)


@pytest.mark.parametrize("name", BUILDERS)
def test_attention_of_q_is_recorded_and_has_gradients(name: str, loaded: Load) -> None:
    p = loaded(name)
    for model in (p.model, calibrated_q(p.model, QuantOptions(4, 4), TAILS, noise(name))):
        images = noise(name).requires_grad_()
        with record(model) as maps:
            outputs = model(images)
        for part in (outputs, *(own for block in maps for own in block[:3])):
            (gradient,) = torch.autograd.grad(part.square().sum(), images, retain_graph=True)
            assert gradient.flatten(1).abs().sum(1).min() > 0


@pytest.mark.parametrize("name", BUILDERS)
@torch.no_grad()
def test_rotating_the_heads_does_not_change_the_outputs(name: str, loaded: Load) -> None:
    p, model = loaded(name).model, copy.deepcopy(loaded(name).model)
    rotate_heads(model)
    assert gap(model(noise(name)), p(noise(name))) < 1e-4
    before = p.state_dict()
    assert any((value != before[key]).any() for key, value in model.state_dict().items())


@pytest.mark.parametrize("name", BUILDERS)
def test_q_is_finetuned_with_the_outputs_of_heads(name: str, loaded: Load) -> None:
    p = loaded(name)
    images = p.normalise(pixels(name))
    assert gap(fitted(p, pixels(name), "lsq-kd")(images), p.model(images)) < 0.3


@pytest.mark.parametrize("name", BUILDERS)
def test_blocks_cannot_be_corrected(name: str, loaded: Load) -> None:
    with pytest.raises(ModelError, match=r"no blocks whose output can be corrected.* as tails"):
        fitted(loaded(name), pixels(name), "correction")


@pytest.mark.parametrize("name", BUILDERS)
def test_blocks_are_reconstructed_where_they_form_a_chain(name: str, loaded: Load) -> None:
    p = loaded(name)
    if name not in CHAINS:
        with pytest.raises(ModelError, match=r"do not form a chain, .* such as tails"):
            fitted(p, pixels(name), "reconstruct")
        return
    images = p.normalise(pixels(name))
    assert gap(fitted(p, pixels(name), "reconstruct")(images), p.model(images)) < 0.2


COEFFICIENTS = Coefficients(one_hot=1.0, tv=1e-5, inter_head=1.0, entropy=1.0, align=0.1)
OPTIONS = SynthesisOptions(
    images=2, batch=2, steps=2, parametrisation="pixels", coefficients=COEFFICIENTS
)


def made(
    p: LoadedModel, source: str, options: SynthesisOptions, precision: str = "float32"
) -> Tensor:
    """Images of a source."""

    def make_q(images: Tensor) -> nn.Module:
        return calibrated_q(p.model, QuantOptions(4, 4), MSE, images)

    def real(count: int) -> tuple[Tensor, Tensor]:
        truth = TASKS[p.task].sample_targets(count, len(p.class_names), p.sides, seed=0)
        return torch.zeros(count, 3, *p.sides, dtype=torch.uint8), truth

    *events, samples = SOURCES[source](
        p, options, seed=0, precision=precision, make_q=make_q, calibration=real
    )
    assert isinstance(samples, Samples)
    for event in events:
        assert all(math.isfinite(value) for value in event.metrics.values())
    return samples.images


@pytest.mark.parametrize("name", BUILDERS)
def test_every_source_makes_images(name: str, loaded: Load) -> None:
    p = loaded(name)
    start = made(p, "mimiq", replace(OPTIONS, steps=0))
    for source in ("maskaq", "mimiq", "psaq", "e2h"):
        moved = (made(p, source, OPTIONS) != start).flatten(1).float().mean(1)  # [B]
        assert moved.min() > 0.7, source  # pixels at either end of the range may stay there
    for source in ("noise", "real"):
        assert len(made(p, source, OPTIONS)) == 2


@pytest.mark.parametrize("name", BUILDERS)
def test_images_in_bfloat16(name: str, loaded: Load) -> None:
    start = made(loaded(name), "mimiq", replace(OPTIONS, steps=0))
    moved = made(loaded(name), "maskaq", OPTIONS, "bfloat16") != start
    assert moved.float().mean() > 0.7


@pytest.mark.parametrize("name", BUILDERS)
def test_what_is_only_defined_between_all_patches(name: str, loaded: Load) -> None:
    """The released reading and fewer queries."""
    p = loaded(name)
    released = replace(OPTIONS, reading="released")
    fewer = replace(OPTIONS, savings=Savings(queries=0.5))
    for options in (released, fewer):
        if name in WINDOWED:
            with pytest.raises(OptionError, match="in windows or with fewer keys than queries"):
                made(p, "maskaq", options)
        else:
            assert len(made(p, "maskaq", options)) == 2


@pytest.mark.parametrize("savings", [Savings(coarse=0.5), Savings(patches=0.5)])
@pytest.mark.parametrize("name", BUILDERS)
def test_other_sizes_are_refused(name: str, savings: Savings, loaded: Load) -> None:
    with pytest.raises(OptionError, match=r"savings\.(coarse|patches)|half side"):
        SynthesisContext.of(loaded(name), replace(OPTIONS, savings=savings))
