from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
from torch import Tensor

from maskaq.config import FitOptions, QuantOptions, Reconstruction
from maskaq.data.scenes import scenes
from maskaq.errors import ModelError, NotCalibratedError, RunError, WeightsError
from maskaq.models.attention import record
from maskaq.models.loading import LoadedModel
from maskaq.quantization.backends import BACKENDS, FitTask
from maskaq.quantization.backends.ranges_only import MINMAX, MSE, set_ranges
from maskaq.quantization.conversion.convert import Scheme, convert
from maskaq.quantization.quantizers.base import LogSqrt2, PerRow, Uniform, observing, quantizers
from maskaq.quantization.storage import load_q, save_q
from maskaq.quantization.tensor_report import tensor_report

W4A4 = QuantOptions(4, 4)


@pytest.fixture(scope="module")
def images(scenes_p: LoadedModel) -> Tensor:
    return scenes_p.normalise(scenes("evaluation", range(4)).images)


def quantized(p: LoadedModel, images: Tensor, options: QuantOptions = W4A4, scheme: Scheme = MSE):
    q = convert(p.model, options, scheme)
    set_ranges(q, images)
    return q


def test_p_stays_as_it_was(scenes_p: LoadedModel, images: Tensor) -> None:
    before = {name: value.clone() for name, value in scenes_p.model.state_dict().items()}
    kinds = [type(module) for module in scenes_p.model.modules()]
    quantized(scenes_p, images)
    assert [type(module) for module in scenes_p.model.modules()] == kinds
    after = scenes_p.model.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_every_matrix_product_has_both_operands_quantized(scenes_p: LoadedModel) -> None:
    q = convert(scenes_p.model, W4A4, MSE)
    names = [name for name, _ in quantizers(q)]
    blocks = len(scenes_p.model.blocks)
    # a block: 4 linear layers with weight and input; q, k, v and the softmax output
    assert len(names) == blocks * (4 * 2 + 4) + 2 * 2
    assert not [m for m in q.modules() if type(m) in (torch.nn.Linear, torch.nn.Conv2d)]


@pytest.mark.parametrize("first_last, ends", [("8", 8), ("target", 3)])
def test_first_and_last_layers_have_the_bits_asked_for(
    scenes_p: LoadedModel, first_last: str, ends: int
) -> None:
    q = convert(scenes_p.model, QuantOptions(3, 5, first_last=first_last), MSE)
    bits = {name: quantizer.form.bits for name, quantizer in quantizers(q)}
    assert bits["head.weight_quantizer"] == bits["patch_embed.proj.weight_quantizer"] == ends
    assert bits["head.input_quantizer"] == (8 if first_last == "8" else 5)
    assert bits["patch_embed.proj.input_quantizer"] == 8
    assert bits["blocks.2.mlp.fc1.weight_quantizer"] == 3
    assert bits["blocks.2.attn.operands.softmax"] == 5


def test_explicit_formats_overrule_the_scheme(scenes_p: LoadedModel) -> None:
    options = QuantOptions(4, 4, softmax="uniform", layernorm="tensor")
    found = dict(quantizers(convert(scenes_p.model, options, MSE)))
    assert type(found["blocks.0.attn.operands.softmax"]) is Uniform
    assert found["blocks.0.attn.qkv.input_quantizer"].groups == 1
    options = QuantOptions(4, 4, softmax="log-sqrt2", layernorm="channel")
    found = dict(quantizers(convert(scenes_p.model, options, MINMAX)))
    assert type(found["blocks.0.attn.operands.softmax"]) is LogSqrt2
    assert found["blocks.0.attn.qkv.input_quantizer"].groups == 192


@pytest.mark.parametrize("bits, logarithmic", [(3, True), (5, True), (6, False), (8, False)])
def test_softmax_levels_are_logarithmic_only_with_few_bits(
    scenes_p: LoadedModel, bits: int, logarithmic: bool
) -> None:
    found = dict(quantizers(convert(scenes_p.model, QuantOptions(8, bits), MSE)))
    assert isinstance(found["blocks.0.attn.operands.softmax"], LogSqrt2) == logarithmic


def test_with_eight_bits_q_is_close_to_p_and_with_fewer_it_is_not(
    scenes_p: LoadedModel, images: Tensor
) -> None:
    wanted = scenes_p.model(images)
    errors = []
    for bits in (8, 4, 2):
        q = quantized(scenes_p, images, QuantOptions(bits, bits, softmax="uniform"))
        errors.append(((q(images) - wanted).square().sum() / wanted.square().sum()).item())
    assert errors[0] < 0.01
    assert errors[0] < errors[1] < errors[2]


def test_q_without_quantizing_is_p(scenes_p: LoadedModel, images: Tensor) -> None:
    """The explicit attention and the rebuilt layers compute what P computes."""
    q = quantized(scenes_p, images)
    for name, _ in list(quantizers(q)):
        parent, _, child = name.rpartition(".")
        setattr(q.get_submodule(parent), child, torch.nn.Identity())
    torch.testing.assert_close(q(images), scenes_p.model(images), rtol=1e-4, atol=1e-4)


def test_q_must_be_calibrated_first(scenes_p: LoadedModel, images: Tensor) -> None:
    with pytest.raises(NotCalibratedError):
        convert(scenes_p.model, W4A4, MSE)(images)


def test_observers_come_off_after_an_exception(scenes_p: LoadedModel, images: Tensor) -> None:
    q = quantized(scenes_p, images)

    def fail(*_: object) -> None:
        raise KeyError("stop")

    with pytest.raises(KeyError), observing(q, fail):
        q(images)
    assert all(quantizer.observer is None for _, quantizer in quantizers(q))


def test_a_model_without_plain_attention_is_refused() -> None:
    swin = timm.create_model("swin_tiny_patch4_window7_224", num_classes=2)
    with pytest.raises(ModelError, match=r"SwinTransformer.*supported: ViT"):
        convert(swin, W4A4, MSE)


@pytest.mark.parametrize("backend", list(BACKENDS))
def test_saved_and_reloaded_q_gives_the_same_logits_bit_for_bit(
    scenes_p: LoadedModel, images: Tensor, tmp_path: Path, backend: str
) -> None:
    """After a fit to noise, which leaves no part of a Q as it was converted."""
    noise = torch.randn(6, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    samples = (noise * 60 + 128).clamp(0, 255).to(torch.uint8)
    few = Reconstruction(steps=2, views=1)
    options = FitOptions(backend=backend, epochs=1, batch=6, reconstruction=few)
    q = convert(scenes_p.model, W4A4, BACKENDS[backend].scheme)
    task = FitTask(scenes_p.model, q, samples, scenes_p.normalise, scenes_p.prefix, options, 0)
    list(BACKENDS[backend].fit(task))
    wanted = q(images)
    save_q(q, tmp_path / "q.safetensors", options=W4A4, backend=backend, model="scenes_vit")
    again = load_q(tmp_path / "q.safetensors", scenes_p.model)
    assert torch.equal(again(images), wanted)
    assert list(again.state_dict()) == list(q.state_dict())
    assert [path.name for path in tmp_path.iterdir()] == ["q.safetensors"]


def test_a_file_that_is_no_q_is_refused(
    scenes_p: LoadedModel, images: Tensor, tmp_path: Path
) -> None:
    path = tmp_path / "q.safetensors"
    path.write_bytes(b"\x07\0\0\0\0\0\0\0rubbish")
    with pytest.raises(RunError, match="cannot be read"):
        load_q(path, scenes_p.model)
    from safetensors.torch import save_file

    save_file({"x": torch.zeros(1)}, path)
    with pytest.raises(RunError, match="expected 'maskaq-q-1'"):
        load_q(path, scenes_p.model)


def test_q_of_another_model_is_refused(
    scenes_p: LoadedModel, images: Tensor, tmp_path: Path
) -> None:
    path = tmp_path / "q.safetensors"
    save_q(quantized(scenes_p, images), path, options=W4A4, backend="mse", model="scenes_vit")
    other = timm.create_model("vit_tiny_patch16_224", depth=1, num_classes=3, img_size=32)
    with pytest.raises(WeightsError, match="made from model 'scenes_vit' and does not fit"):
        load_q(path, other)


def test_recording_q_shows_its_own_attention(scenes_p: LoadedModel, images: Tensor) -> None:
    q = quantized(scenes_p, images, QuantOptions(2, 2))
    plain = q(images)
    with record(q) as maps_q:
        assert torch.equal(q(images), plain)
    with record(scenes_p.model) as maps_p:
        scenes_p.model(images)
    assert len(maps_q) == len(maps_p) == 6
    assert maps_q[3].probs.shape == maps_p[3].probs.shape == (4, 6, 65, 65)
    assert (maps_q[3].probs - maps_p[3].probs).abs().max() > 0.01


def test_report_measures_every_quantized_tensor(scenes_p: LoadedModel, images: Tensor) -> None:
    q = quantized(scenes_p, images)
    rows = tensor_report(q, images)
    quantized_rows = [row for row in rows if row.quantized]
    assert len(quantized_rows) == len(list(quantizers(q)))
    for row in quantized_rows:
        assert 0 <= row.clipped < 0.5, row
        assert row.sqnr_db > 5, row
        assert row.low <= 0 < row.high, row
    by_name = {row.tensor: row for row in rows}
    assert by_name["blocks.0.attn.operands.softmax"].grid == "log-sqrt2"
    assert by_name["blocks.0.attn.qkv.input"].granularity == "channel"
    assert by_name["blocks.0.attn.qkv.weight"].role == "weight"
    left = [row for row in rows if not row.quantized]
    assert all(row.bits == 32 and row.why and row.why != "not recognised" for row in left)
    kept = {name for name, _ in q.named_parameters()} - {row.tensor for row in quantized_rows}
    assert kept <= {row.tensor for row in left}


def test_report_of_one_weight_equals_plain_arithmetic(
    scenes_p: LoadedModel, images: Tensor
) -> None:
    q = quantized(scenes_p, images, QuantOptions(3, 3))
    row = next(r for r in tensor_report(q, images) if r.tensor == "blocks.1.mlp.fc2.weight")
    layer = q.blocks[1].mlp.fc2
    assert isinstance(layer.weight_quantizer, PerRow)
    step = layer.weight_quantizer.scale[:, None]
    codes = (layer.weight / step).round()
    outside = ((codes < -4) | (codes > 3)).float().mean().item()
    error = (codes.clamp(-4, 3) * step - layer.weight).double().square().sum()
    sqnr = 10 * torch.log10(layer.weight.double().square().sum() / error)
    assert row.clipped == pytest.approx(outside, abs=1e-4)
    assert row.sqnr_db == pytest.approx(sqnr.item(), rel=1e-4)
