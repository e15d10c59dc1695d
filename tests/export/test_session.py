"""What is no file of maskaq is refused by what it is."""

import json
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from maskaq.errors import ExportError
from maskaq.export.onnx_file import FORMAT
from maskaq.export.session import opened, read_metadata


def write(path: Path, producer: str = "pytorch", **metadata: object) -> Path:
    value = helper.make_tensor_value_info("images", TensorProto.FLOAT, [None, 3])
    out = helper.make_tensor_value_info("logits", TensorProto.FLOAT, [None, 3])
    node = helper.make_node("Identity", ["images"], ["logits"])
    graph = helper.make_graph([node], "g", [value], [out])
    made = helper.make_model(
        graph, producer_name=producer, ir_version=10, opset_imports=[helper.make_opsetid("", 21)]
    )
    for name, content in metadata.items():
        made.metadata_props.add(key=f"maskaq.{name}", value=json.dumps(content))
    onnx.save(made, path)
    return path


def test_metadata_is_read(tmp_path):
    path = write(tmp_path / "a.onnx", format=FORMAT, labels=["a", "b"])
    assert read_metadata(path) == {"labels": ["a", "b"]}
    assert opened(path).metadata == {"labels": ["a", "b"]}


@pytest.mark.parametrize("content", [b"", b"rubbish" * 50, b"<html>not found</html>"])
def test_what_is_no_onnx_file_is_refused(tmp_path, content):
    path = tmp_path / "a.onnx"
    path.write_bytes(content)
    with pytest.raises(ExportError, match=r"a\.onnx (is no ONNX file|was made by another program)"):
        opened(path)
    with pytest.raises(ExportError, match="is no ONNX file"):
        opened(tmp_path / "missing.onnx")


def test_files_of_other_programs_are_refused(tmp_path):
    with pytest.raises(ExportError, match="was made by skl2onnx, not by maskaq"):
        opened(write(tmp_path / "a.onnx", producer="skl2onnx"))


def test_newer_files_are_refused(tmp_path):
    with pytest.raises(ExportError, match=r"has format \"maskaq-onnx-2\"; this maskaq reads"):
        opened(write(tmp_path / "a.onnx", format="maskaq-onnx-2"))


def test_damaged_metadata_is_refused(tmp_path):
    path = write(tmp_path / "a.onnx", format=FORMAT)
    made = onnx.load(path)
    made.metadata_props.add(key="maskaq.labels", value="[broken")
    onnx.save(made, path)
    with pytest.raises(ExportError, match="has damaged metadata"):
        opened(path)


def test_a_truncated_file_is_refused(tmp_path):
    path = write(tmp_path / "a.onnx", format=FORMAT)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ExportError, match=r"a\.onnx"):
        opened(path)


def test_what_onnxruntime_cannot_run_is_refused(tmp_path):
    path = write(tmp_path / "a.onnx", format=FORMAT)
    made = onnx.load(path)
    made.graph.node[0].op_type = "NoSuchOperator"
    onnx.save(made, path)
    with pytest.raises(ExportError, match=r"onnxruntime \d.* cannot run"):
        opened(path)
