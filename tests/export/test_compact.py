"""A smaller file that computes the same."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from maskaq.export.compact import compact, constants


@pytest.fixture
def made() -> onnx.ModelProto:
    """images [B,600] + a repetitive constant, + one with many values; and an unused constant."""
    random = np.random.default_rng(0)
    mask = random.choice(np.array([0.0, -0.0, -100.0, 1 / 3], np.float32), 600)
    many = random.standard_normal(600).astype(np.float32)
    nodes = [
        helper.make_node("Add", ["images", "blocks.0.attn.mask"], ["a_long_name"], "node_1"),
        helper.make_node("Add", ["a_long_name", "blocks.0.attn.many"], ["logits"], "node_2"),
    ]
    shape = ["batch", 600]
    graph = helper.make_graph(
        nodes,
        "main",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, shape)],
        [
            numpy_helper.from_array(mask, "blocks.0.attn.mask"),
            numpy_helper.from_array(many, "blocks.0.attn.many"),
            numpy_helper.from_array(many, "blocks.0.unused"),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


def answer(made: onnx.ModelProto, images: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(made.SerializeToString())
    (found,) = session.run(None, {"images": images})
    return found


def test_it_is_smaller_and_gives_the_same_bits(made):
    images = -np.zeros((2, 600), np.float32)
    before, size = answer(made, images), made.ByteSize()
    compact(made, ["blocks.0", "blocks.0.attn"])
    onnx.checker.check_model(made)
    assert np.array_equal(answer(made, images).view(np.int32), before.view(np.int32))
    assert made.ByteSize() < 0.55 * size
    assert not any(node.name for node in made.graph.node)


def test_constants_are_found_by_their_full_names(made):
    many = numpy_helper.to_array(constants(made)["blocks.0.attn.many"])
    compact(made, ["blocks.0", "blocks.0.attn"])
    found = constants(made)
    assert set(found) == {
        "blocks.0.attn.many",
        "blocks.0.attn.mask.table",
        "blocks.0.attn.mask.index",
    }
    assert np.array_equal(numpy_helper.to_array(found["blocks.0.attn.many"]), many)
    assert found["blocks.0.attn.many"].name == "0.many"
