"""Files written from Q: equal to Q code by code, small, and fused to integer kernels."""

import json
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper

from maskaq.config import QuantOptions
from maskaq.errors import ExportError
from maskaq.export import onnx_file, verify
from maskaq.export.compact import constants
from maskaq.export.graph import exportable
from maskaq.export.session import fused_nodes, opened
from maskaq.export.targets import TARGETS
from maskaq.quantization.backends import BACKENDS
from maskaq.quantization.backends.ranges_only import calibrated_q, set_ranges
from maskaq.quantization.conversion.convert import convert
from maskaq.quantization.conversion.layers import QuantLinear
from tests.support import families


def q_of(model, images, weights: int = 8, activations: int = 8, backend: str = "tails"):
    options = QuantOptions(weights, activations, scheme="integer")
    return calibrated_q(model, options, BACKENDS[backend].scheme, images)


@pytest.fixture(scope="module")
def small():
    """A ViT of two blocks with 3 heads of 8 channels and 16 patches, and images."""
    model = families.family("vit patch 8")
    return model, families.images_of(model, 12)


@pytest.fixture(scope="module")
def exported(small, tmp_path_factory):
    """Q and its file, by bits and target."""
    model, images = small
    made = {}

    def get(weights: int, activations: int, target: str):
        key = weights, activations, target
        if key not in made:
            q = q_of(model, images, weights, activations)
            path = tmp_path_factory.mktemp("export") / "q.onnx"
            onnx_file.write(exportable(q, TARGETS[target]), (3, 32, 32), path, {"x": [1]})
            made[key] = q, path
        return made[key]

    return get


def test_each_layer_of_mixed_precision_has_its_own_bits(small, tmp_path):
    model, images = small
    options = QuantOptions(4, 8, scheme="integer", average_bits=4.0)
    mixed = {"blocks.0.mlp.fc1": 2, "blocks.0.mlp.fc2": 8, "blocks.1.attn.qkv": 6}
    q = convert(model, options, BACKENDS["tails"].scheme, mixed)
    set_ranges(q, images)
    path = tmp_path / "q.onnx"
    onnx_file.write(exportable(q, TARGETS["avx2"]), (3, 32, 32), path, {"x": [1]})
    codes = verify.compare_codes(onnx.load(path), q, images[:2])
    layers = [one for one in q.modules() if hasattr(one, "weight_quantizer")]
    assert {one.weight_quantizer.form.bits for one in layers} == {2, 4, 6, 8}
    assert codes.weights == sum(one.weight.numel() for one in layers)
    assert codes.ties <= 1e-3 * codes.activations


FORMATS = [(8, 8, "avx2")]
SLOW = [(4, 8, "avx2"), (3, 5, "arm"), (6, 4, "vnni")]


@pytest.mark.parametrize(
    "weights, activations, target",
    [*FORMATS, *(pytest.param(*one, marks=pytest.mark.slow) for one in SLOW)],
)
def test_every_code_is_that_of_q(exported, small, weights, activations, target):
    q, path = exported(weights, activations, target)
    codes = verify.compare_codes(onnx.load(path), q, small[1][:2])
    layers = [one for one in q.modules() if hasattr(one, "weight_quantizer")]
    assert codes.weights == sum(one.weight.numel() for one in layers)
    # Two blocks: q, k and v, the softmax of 3 heads, the inputs of four layers.
    tokens = 17
    inside = 2 * (3 * tokens * 24 + 3 * tokens**2)
    inputs = 2 * tokens * (3 * 24 + 96) + 24 + 3 * 32 * 32
    assert codes.activations == 2 * (inside + inputs)
    assert codes.ties <= 1e-3 * codes.activations


def test_the_batch_size_is_free_and_answers_are_those_of_q(exported, small):
    images = small[1]
    q, path = exported(8, 8, "avx2")
    file = opened(path)
    for count in (1, 5, 12):
        found = file.outputs(images[:count])
        assert found.shape == (count, 5)
        assert (found - q(images[:count])).abs().max() < 0.05 * q(images).abs().max()


def test_products_are_fused_to_integer_kernels(exported, tmp_path):
    fused = fused_nodes(exported(8, 8, "avx2")[1], tmp_path)
    # Four layers and two products of attention in each of two blocks, and the head.
    assert fused.get("MatMulIntegerToFloat", 0) + fused.get("QLinearMatMul", 0) == 13
    assert fused_nodes(exported(4, 8, "avx2")[1], tmp_path)["MatMulNBits"] == 8
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("bits, types", [(8, {"uint8"}), (7, {"int8", "uint8"})])
def test_weights_that_cannot_saturate_are_signed_on_avx2(exported, small, bits, types):
    q, path = exported(bits, 8, "avx2")
    made = onnx.load(path)
    codes = {
        name: numpy_helper.to_array(one)
        for name, one in constants(made).items()
        if name.endswith("weight.codes")
    }
    assert {str(one.dtype) for one in codes.values()} == types
    for name, one in codes.items():
        if one.dtype == np.int8:
            assert np.abs(one.astype(int)).max() <= 64  # 2 * 255 * 64 < 2^15
        else:
            assert bits == 8 or name.startswith(("head", "patch_embed"))  # always of 8 bits
    assert verify.compare_codes(made, q, small[1][:2]).ties <= 5


def test_metadata_and_opset_are_stated(exported):
    made = onnx.load(exported(8, 8, "avx2")[1])
    found = {one.key: one.value for one in made.metadata_props}
    assert json.loads(found["maskaq.x"]) == [1]
    assert json.loads(found["maskaq.format"]) == onnx_file.FORMAT
    assert max(one.version for one in made.opset_import if one.domain == "") == 21


def test_weights_of_4_bits_fill_half_as_many_bytes(exported):
    q, path = exported(4, 8, "avx2")
    made = onnx.load(path)
    codes = [one for one in made.graph.initializer if one.name.endswith("codes")]
    linear = [m for m in q.modules() if isinstance(m, QuantLinear) and m is not q.head]
    # Two in a byte, each row filled up to whole blocks of 16; the first and last layer have bytes.
    packed = sum(m.out_features * -(-m.in_features // 16) * 8 for m in linear)
    whole = q.patch_embed.proj.weight.numel() + q.head.weight.numel()
    assert sum(numpy_helper.to_array(one).size for one in codes) == packed + whole


SOME = ["vit 32x48"]
MORE = ["swin", "swinv2, padded", "eva02", "siglip"]


@pytest.mark.parametrize(
    "name", [*SOME, *(pytest.param(one, marks=pytest.mark.slow) for one in MORE)]
)
def test_every_family_is_exported(name, tmp_path):
    model = families.family(name)
    images = families.images_of(model, 6)
    q = q_of(model, images)
    path = tmp_path / "q.onnx"
    made = onnx_file.write(exportable(q, TARGETS["avx2"]), tuple(images.shape[1:]), path, {})
    codes = verify.compare_codes(made, q, images[:2])
    assert codes.ties <= 1e-3 * codes.activations
    error = (opened(path).outputs(images) - q(images)).abs().max()
    assert error < 0.1 * q(images).abs().max()


@pytest.mark.parametrize("backend", ["tails", "reconstruct", "adalog"])
def test_grids_that_integers_cannot_compute_are_named(small, backend):
    q = calibrated_q(small[0], QuantOptions(4, 4), BACKENDS[backend].scheme, small[1][:2])
    with pytest.raises(ExportError, match=r"\(blocks\.0.*--scheme integer"):
        exportable(q, TARGETS["avx2"])


def test_a_wrong_code_is_found(exported, small):
    images = small[1]
    q, path = exported(8, 8, "avx2")
    made = onnx.load(path)
    scale = constants(made)["blocks.1.mlp.fc1.input.scale"]
    value = numpy_helper.to_array(scale)
    scale.CopyFrom(numpy_helper.from_array(value * np.float32(1.01), scale.name))
    with pytest.raises(ExportError, match=r"rounds blocks\.1\.mlp\.fc1\.input in another way"):
        verify.compare_codes(made, q, images[:1])
    made = onnx.load(path)
    codes = constants(made)["blocks.1.attn.proj.weight.codes"]
    changed = numpy_helper.to_array(codes).copy()
    changed[0, 0] ^= 1
    codes.CopyFrom(numpy_helper.from_array(changed, codes.name))
    with pytest.raises(ExportError, match=r"other weights than Q: blocks\.1\.attn\.proj"):
        verify.compare_codes(made, q, images[:1])


def test_p_itself_is_exported(small, tmp_path):
    model, images = small
    path = tmp_path / "p.onnx"
    onnx_file.write(model, (3, 32, 32), path, {})
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"images": images[:3].numpy()})
    with torch.no_grad():
        assert np.allclose(found, model(images[:3]).numpy(), atol=1e-4)


def test_a_module_that_cannot_be_exported_is_named(tmp_path: Path):
    class Branching(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def forward(self, x):
            return x * 2 if float(x.sum() + self.weight) > 0 else x

    with pytest.raises(ExportError, match="torch cannot export this Branching to ONNX"):
        onnx_file.write(Branching(), (3, 8, 8), tmp_path / "x.onnx", {})
    assert list(tmp_path.iterdir()) == []
